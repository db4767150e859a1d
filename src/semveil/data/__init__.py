# SPDX-License-Identifier: Apache-2.0
"""Photos in, faces out, and back: reading, detection, alignment, pasting, sealed originals, face sets.

`load_faces` and `dataset` are what users call. Imports `core`, `keys` and `recognition`; it knows no method.
"""
