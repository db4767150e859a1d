# SPDX-License-Identifier: Apache-2.0
"""SSIM of this package against scikit-image's and torchmetrics': CPU seconds per image.

    OMP_NUM_THREADS=1 python benchmarks/ssim.py

Prints one JSON object: for sides of 64, 256 and 512 px, milliseconds per image, and the largest difference of
the first two.
"""

import json
import time
from collections.abc import Callable

import torch
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from semveil.faces.pixels import to_pixels
from semveil.metrics import ssim

SIDES = {64: 64, 256: 16, 512: 4}  # side -> images
STANDARD = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 255,
    "channel_axis": -1,
}


def scikit_image(a: Tensor, b: Tensor) -> Tensor:
    """SSIM (B,) by scikit-image, on 8-bit pixels.

    Args:
        a: (B, 3, H, W) in [-1, 1].
        b: likewise.
    """
    pairs = zip(to_pixels(a), to_pixels(b), strict=True)
    return torch.tensor([structural_similarity(x, y, **STANDARD) for x, y in pairs])


def torch_metrics(a: Tensor, b: Tensor) -> Tensor:
    """SSIM (B,) by TorchMetrics.

    Args:
        a: (B, 3, H, W) in [-1, 1].
        b: likewise.
    """
    found = structural_similarity_index_measure((a + 1) / 2, (b + 1) / 2, data_range=1.0, reduction="none")
    assert isinstance(found, Tensor)
    return found


def milliseconds(
    metric: Callable[[Tensor, Tensor], Tensor], a: Tensor, b: Tensor, *, repeats: int = 3
) -> float:
    """CPU time per image, the fastest of several runs.

    Args:
        metric: of two batches.
        a: (B, 3, H, W) in [-1, 1].
        b: likewise.
        repeats: timed runs, after one to warm up.
    """
    taken = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.process_time()
        metric(a, b)
        taken.append(time.process_time() - start)
    return round(1000 * min(taken) / len(a), 3)


def main() -> None:
    rng = torch.Generator().manual_seed(0)
    found = {}
    for side, count in SIDES.items():
        a = torch.rand(count, 3, side, side, generator=rng) * 2 - 1
        b = (a + 0.2 * torch.randn(a.shape, generator=rng)).clamp(-1, 1)
        times = {f.__name__: milliseconds(f, a, b) for f in (ssim, scikit_image, torch_metrics)}
        difference = float((ssim(a, b) - scikit_image(a, b)).abs().max())
        found[f"{side} px"] = {"milliseconds": times, "largest difference": difference}
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
