# SPDX-License-Identifier: Apache-2.0
"""Batch protection of photos, clips and folders, resumable and parallel.

`protect` is the entry point (`semveil.protect`), `run` processes photos and clips, `task` protects one photo,
`clip` one clip, `manifest` records what is done, and `restore` restores sealed originals. May import
everything up to `link`, never `experiments`.
"""
