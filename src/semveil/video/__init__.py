# SPDX-License-Identifier: Apache-2.0
"""Clips: decoding and encoding by PyAV, face tracking, flicker, and detection of missed faces.

Imports `core`, `data` and `recognition`; `bulk` decides how a clip's faces are treated. Needs the extra
`video`.
"""
