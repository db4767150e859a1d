# SPDX-License-Identifier: Apache-2.0
"""Foundations of all other packages: registries, configuration, files, random streams, devices, errors.

`config`, `checkpoints`, `network_files`, `files` and `results` are about files; `registry` and `plugins` find
things by name. It imports nothing of semveil, and everything else may import from it, module by module.
"""
