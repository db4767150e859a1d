# SPDX-License-Identifier: Apache-2.0
"""Photos and faces: reading, detection, alignment, pasting, sealed originals, face sets.

`load_faces` and `dataset` are the user interface. The package imports `core`, `keys` and `recognition`, and
is independent of the methods.

"""
