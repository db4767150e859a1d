"""Numbers about images, one value per image; images are (B, 3, H, W) in [-1, 1]."""

from semveil.metrics.detection import face_detected
from semveil.metrics.identity import fppsr, identity_similarity
from semveil.metrics.lpips import LPIPS, lpips
from semveil.metrics.quality import psnr, ssim

__all__ = ["LPIPS", "face_detected", "fppsr", "identity_similarity", "lpips", "psnr", "ssim"]
