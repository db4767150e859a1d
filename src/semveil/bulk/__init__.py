# SPDX-License-Identifier: Apache-2.0
"""Photos, clips and folders of them through a method, resumably and by several workers.

`protect` is what users call (`semveil.protect`); `run` goes through photos and clips, `task` does one photo,
`clip` one clip, `manifest` remembers what is done, `restore` brings sealed originals back. Imports everything
up to `link`, never `experiments`.
"""
