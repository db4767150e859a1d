# SPDX-License-Identifier: Apache-2.0
"""Foundations of all other packages: registries, configuration, files, random streams, devices, errors.

`config`, `checkpoints`, `network_files`, `files` and `results` read and write files; `registry` and `plugins`
look up objects by name. This package imports nothing else of semveil; all other packages may import its
modules.
"""
