# SPDX-License-Identifier: Apache-2.0
"""The discriminator of a training on features of SqueezeNet, whose weights are fetched and not shipped."""

from typing import Any

import torch

from semveil.core.checkpoints import read_checkpoint
from semveil.core.weights import require
from semveil.generators.discriminators import FeatureDiscriminator
from semveil.nn.trunks import TRUNKS, FeatureTrunk, normalised

_TAPS = (1, 3, 5, 9)  # maps of a half to a sixteenth of the side


def feature_discriminator(device: torch.device) -> FeatureDiscriminator:
    """Judges four maps; the trunk is frozen and no part of the state.

    Args:
        device: where the trunk computes.

    Raises:
        WeightsMissing: SqueezeNet's weights are not on this machine.
    """
    trunk: Any = FeatureTrunk("squeeze", read_checkpoint(require("squeezenet1_1")), taps=_TAPS).to(device)
    widths = dict(zip(TRUNKS["squeeze"].taps, TRUNKS["squeeze"].channels, strict=True))
    return FeatureDiscriminator(lambda images: trunk(normalised(images)), [widths[tap] for tap in _TAPS])
