# SPDX-License-Identifier: Apache-2.0
"""Image metrics, per image or per set; images are (B, 3, H, W) in [-1, 1]."""

from semveil.metrics.detection import DetectionRate, detection_rate, face_detected
from semveil.metrics.distortion import ald, l2
from semveil.metrics.feature_networks import InceptionFeatures, TrunkFeatures, feature_network, fid
from semveil.metrics.frechet import Moments, frechet_distance, moments
from semveil.metrics.identity import fppsr, identity_distance, identity_similarity, iss, psr
from semveil.metrics.quality import psnr
from semveil.metrics.sharpness import sharpness
from semveil.metrics.structure import similarity_map, ssim
from semveil.nn.lpips import LPIPS, lpips

__all__ = [
    "LPIPS",
    "DetectionRate",
    "InceptionFeatures",
    "Moments",
    "TrunkFeatures",
    "ald",
    "detection_rate",
    "face_detected",
    "feature_network",
    "fid",
    "fppsr",
    "frechet_distance",
    "identity_distance",
    "identity_similarity",
    "iss",
    "l2",
    "lpips",
    "moments",
    "psnr",
    "psr",
    "sharpness",
    "similarity_map",
    "ssim",
]
