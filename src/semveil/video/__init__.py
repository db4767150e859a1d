# SPDX-License-Identifier: Apache-2.0
"""Clips: reading and writing by PyAV, faces followed through frames, flicker, faces that a protected frame still shows.

Imports `core`, `data` and `recognition`; what becomes of a clip's faces is decided in `bulk`. Needs the extra
`video`.
"""
