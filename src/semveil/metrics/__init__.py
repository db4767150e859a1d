"""Numbers about images, one value per image; images are (B, 3, H, W) in [-1, 1]."""

from semveil.metrics.lpips import LPIPS, lpips
from semveil.metrics.quality import psnr, ssim

__all__ = ["LPIPS", "lpips", "psnr", "ssim"]
