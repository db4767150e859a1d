# SPDX-License-Identifier: Apache-2.0
"""A training discriminator on SqueezeNet features; its weights are downloaded, not shipped."""

from typing import Any

import torch

from semveil.core.checkpoints import read_checkpoint
from semveil.core.weights import require
from semveil.generators.discriminators import FeatureDiscriminator
from semveil.nn.trunks import TRUNKS, FeatureTrunk, normalised

_TAPS = (1, 3, 5, 9)  # maps of 1/2 to 1/16 of the side


def feature_discriminator(device: torch.device) -> FeatureDiscriminator:
    """Build a discriminator on four feature maps; the frozen trunk is not part of the state.

    Args:
        device: device of the trunk.

    Raises:
        WeightsMissing: SqueezeNet's weights are not on this machine.
    """
    trunk: Any = FeatureTrunk("squeeze", read_checkpoint(require("squeezenet1_1")), taps=_TAPS).to(device)
    widths = dict(zip(TRUNKS["squeeze"].taps, TRUNKS["squeeze"].channels, strict=True))
    return FeatureDiscriminator(lambda images: trunk(normalised(images)), [widths[tap] for tap in _TAPS])
