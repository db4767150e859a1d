# SPDX-License-Identifier: Apache-2.0
"""Command line interface: one file per command, which parses, calls one function of the library and prints.

`main` registers the commands; `console`, `command`, `options`, `help` and `parties` are shared. Only
`experiments` and `evaluate` import `semveil.experiments`; nothing imports `semveil.cli`.
"""
