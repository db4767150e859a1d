# SPDX-License-Identifier: Apache-2.0
"""Photos in, faces out, and back: reading, detection, alignment, pasting, covering, sealed originals, face sets, pairs lists.

`load_faces` and `dataset` are what users call. Imports `core`, `keys` and `recognition`; it knows no method.
"""
