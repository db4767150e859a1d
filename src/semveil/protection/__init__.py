# SPDX-License-Identifier: Apache-2.0
"""Protections that Bob can undo: pairs of trained networks, and keyed rotation and noise modulo the clip box.

`pair` and `keyed` are the two interfaces. Genuine noise is in `mechanisms`; which protections dp-semcom
offers by name, and what builds them, is in `methods.protections`. Imports `core`, `mechanisms` and `keys`.
"""
