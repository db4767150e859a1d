# SPDX-License-Identifier: Apache-2.0
"""The hinge loss of discriminators."""

from torch import Tensor
from torch.nn import functional as F


def hinge_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss max(0, 1 - real) + max(0, 1 + fake), means over patches.

    See Lim and Ye, Geometric GAN, 2017; [IDP] Eq. 14.

    Args:
        real: scores of photos, of any shape.
        fake: scores of new faces, of any shape.

    Example:
        >>> import torch
        >>> hinge_loss(torch.tensor([2.0, 0.5]), torch.tensor([-1.0])).item()
        0.25
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
