# SPDX-License-Identifier: Apache-2.0
"""Foundations of all other packages: privacy values and certificates, the ledger, files, settings, seeds, devices.

`privacy`, `coverage`, `composition` and `certificate` say what is guaranteed and for what; `ledger` and its
parts count releases; `config`, `checkpoints`, `network_files`, `files` and `results` are about files;
`registry` and `plugins` are how things are found by name. It imports nothing of semveil, and everything else
may import from it, module by module.
"""
