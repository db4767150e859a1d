# SPDX-License-Identifier: Apache-2.0
"""Protections that Bob can undo: trained pairs of networks, keyed rotation and keyed modulo noise.

`pair` and `keyed` define the two interfaces. Genuine noise is in `mechanisms`; the registry of dp-semcom's
protections is `methods.protections`. Imports `core`, `keys`, `mechanisms` and `privacy`.
"""
