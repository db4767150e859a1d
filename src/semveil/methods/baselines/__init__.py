# SPDX-License-Identifier: Apache-2.0
"""Baselines without a generator, one file each: blur, mosaic, pixel noise, DP-Pix and DP-SVD."""

from semveil.methods.baselines.blur import Blur, blurred
from semveil.methods.baselines.dp_pix import DPPix
from semveil.methods.baselines.dp_svd import DPSVD
from semveil.methods.baselines.levels import LEVELS, enlarged, from_levels, pixelated, to_levels
from semveil.methods.baselines.mosaic import Mosaic
from semveil.methods.baselines.pixel_noise import PixelNoise
from semveil.methods.baselines.shared import CROP, WithoutNetworks

BASELINES = (Blur, Mosaic, PixelNoise, DPPix, DPSVD)

__all__ = [
    "BASELINES",
    "CROP",
    "DPSVD",
    "LEVELS",
    "Blur",
    "DPPix",
    "Mosaic",
    "PixelNoise",
    "WithoutNetworks",
    "blurred",
    "enlarged",
    "from_levels",
    "pixelated",
    "to_levels",
]
