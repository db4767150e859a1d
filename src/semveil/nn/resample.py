"""StyleGAN2's resampling with the binomial filter [1, 3, 3, 1] / 8 per axis, in plain torch."""

import torch
from torch import Tensor
from torch.nn import functional as F

_TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8


def _filter(x: Tensor, gain: float = 1.0) -> Tensor:
    kernel = torch.outer(_TAPS, _TAPS) * gain
    return kernel.to(x).expand(x.shape[1], 1, 4, 4)


def blur(x: Tensor, *, padding: int, stride: int = 1, gain: float = 1.0) -> Tensor:
    """Filter each channel of (B, C, H, W), zero padding `padding` on every side, keep every `stride`-th value."""
    return F.conv2d(x, _filter(x, gain), stride=stride, padding=padding, groups=x.shape[1])


def upsample(x: Tensor) -> Tensor:
    """Double (B, C, H, W) by zero insertion and filtering (pads (2, 1) of the reference implementation)."""
    return F.conv_transpose2d(x, _filter(x, 4.0), stride=2, padding=1, groups=x.shape[1])
