# SPDX-License-Identifier: Apache-2.0
"""The command line: a file for each command, which parses, calls one function of the library and prints.

`main` registers the commands; `console`, `command`, `options`, `help` and `parties` are what they share. Only
`experiments` and `evaluate` import `semveil.experiments`; nothing imports `semveil.cli`.
"""
