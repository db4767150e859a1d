# SPDX-License-Identifier: Apache-2.0
"""Discriminators of the fusion training: whole face, eyes and mouth, and features of a trunk."""

import torch
from torch import Tensor, nn

from semveil.generators.discriminators import MultiScaleDiscriminator, PatchDiscriminator
from semveil.training.feature_discriminator import feature_discriminator
from semveil.training.fusion_losses import COMPONENTS, component
from semveil.training.fusion_settings import FusionTraining
from semveil.training.hinge import hinge_loss


class FusionDiscriminators(nn.Module):
    """Discriminators with non-zero weights in the settings, trained with hinge losses ([IDP] Eq. 14).

    Losses are means over patches, summed over maps.

    Args:
        settings: settings of the run.
        device: device of the frozen trunk, which is not part of the state.

    Raises:
        WeightsMissing: `feature_loss` needs SqueezeNet's weights, and they are not installed.
    """

    def __init__(self, settings: FusionTraining, device: torch.device) -> None:
        super().__init__()
        width = settings.discriminator_width
        self.patches = MultiScaleDiscriminator(width=width)
        names = COMPONENTS if settings.component_loss else ()
        self.components = nn.ModuleDict({name: PatchDiscriminator(width, 3) for name in names})
        self.features = feature_discriminator(device) if settings.feature_loss else None

    def fooled(self, images: Tensor) -> dict[str, Tensor]:
        """Adversarial losses of the generating networks (minus the scores), by the name of their weight.

        Args:
            images: new faces (B, 3, S, S) in [-1, 1].
        """
        losses = {name: [-score.mean() for score in scores] for name, scores in self._scores(images).items()}
        return {
            name: torch.stack(parts).sum() if parts else images.new_zeros(())
            for name, parts in losses.items()
        }

    def forward(self, photos: Tensor, images: Tensor) -> Tensor:
        """Sum of the discriminators' own losses.

        Args:
            photos: (B, 3, S, S) in [-1, 1].
            images: new faces of the same shape.
        """
        real, fake = self._scores(photos), self._scores(images)
        return torch.stack(
            [hinge_loss(a, b) for name in real for a, b in zip(real[name], fake[name], strict=True)]
        ).sum()

    def _scores(self, images: Tensor) -> dict[str, list[Tensor]]:
        scores = {
            "adversarial": self.patches(images),
            "components": [judge(component(images, name)) for name, judge in self.components.items()],
            "features": self.features(images) if self.features else (),
        }
        return {name: [score.float() for score in parts] for name, parts in scores.items()}
