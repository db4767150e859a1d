"""PSNR and SSIM of each image in [-1, 1]."""

from torch import Tensor

from semveil.metrics.checks import check_pairs

DATA_RANGE = 2.0  # images lie in [-1, 1]


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each pair of images, 10 log10(2^2 / MSE) for the range [-1, 1].

    Args:
        a: (B, 3, H, W) in [-1, 1].
        b: the same shape.

    Returns:
        (B,) in dB; infinite for equal images.

    Example:
        >>> import torch
        >>> black = torch.full((1, 3, 8, 8), -1.0)
        >>> psnr(black, black + 0.2)
        tensor([20.])
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio  # slow to import

    check_pairs(a, b)
    return peak_signal_noise_ratio(a, b, data_range=DATA_RANGE, reduction="none", dim=(1, 2, 3))


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of each pair of images (Wang et al. 2004).

    Gaussian window of 11 px with sigma 1.5; mean over RGB and over all pixels, edges mirrored (torchmetrics' convention).

    Args:
        a: (B, 3, H, W) in [-1, 1], at least 11 px.
        b: the same shape.

    Returns:
        (B,) at most 1.

    Example:
        >>> import torch
        >>> face = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
        >>> ssim(face, face)
        tensor([1.])
    """
    from torchmetrics.functional.image import structural_similarity_index_measure  # slow to import

    check_pairs(a, b)
    if min(a.shape[-2:]) < 11:
        raise ValueError(f"SSIM's window needs images of at least 11 px, got {tuple(a.shape[-2:])}")
    values = structural_similarity_index_measure(a, b, data_range=DATA_RANGE, reduction="none")
    assert isinstance(values, Tensor)
    return values
