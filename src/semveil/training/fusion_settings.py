# SPDX-License-Identifier: Apache-2.0
"""Settings of identity-dp's fusion training, and the paper's losses alone."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FusionTraining:
    """Settings of a run. What is not in the paper says so; `PAPERS_LOSSES` leaves all of that out.

    `attribute_loss`, `identity_loss` and `reconstruction_loss` are the weights of [IDP] Eqs. 16, 15 and 17.
    The bundled model's weights changed on the way (docs/model-card.md).

    Attributes:
        steps: optimiser steps; the learning rates fall to a tenth over the last `decay_share` of them (not in
            the paper).
        batch: photos per step; the discriminators learn from half of them and of their fakes.
        rate: Adam's learning rate; its betas are 0 and 0.999.
        discriminator_rate: that of the discriminators (the same as the others' in the paper).
        same_share: of a batch, photos that are joined with their own identity; only they are reconstructed.
        random_share: of a batch, photos that are joined with a random unit vector, as noise leaves them (not
            in the paper). The rest are joined with the identity of another photo.
        coarse_share: of a batch, photos whose attributes are taken after `coarsened` to 8, 16 or 32 px (not
            in the paper).
        sharp_share: of a batch, photos drawn from the sharpest tenth, on which artefacts show most (not in
            the paper).
        sums: squares of Eqs. 16 and 17 are sums over maps and images, as the paper writes; else means, as
            FaceShifter, whose losses they are, has them at about the same weights.
        varied: the identity encoders see new faces varied as their own training photos, half of them grey
            (not in the paper).
        identity_side: side in pixels to which new faces are reduced before that; finer than this an encoder
            is satisfied by patterns that show nobody (not in the paper).
        identity_enough: cosine to who was asked for above which the identity loss is 0 (1 in the paper).
        adversarial: weight of the hinge loss.
        adversarial_ramp: steps over which the weights of all hinge losses rise to what they are, for a run
            that starts from trained networks with new discriminators (not in the paper).
        leak_loss: weight of how much nearer a new face is to the photo's own identity than the one asked for
            is (`identity_losses`; not in the paper).
        second_loss: weight of the same two losses by a second encoder, at the weights of the first (not in
            the paper).
        parsing_loss: weight of `parsing_loss`, by a parser (not in the paper).
        component_loss: weight of the hinge losses of eye and mouth crops (not in the paper).
        feature_loss: weight of the hinge loss of a discriminator on SqueezeNet's features (not in the paper).
        context_loss: weight of Eq. 17 outside the face's parts where the identities differ (not in the
            paper).
        face_loss: weight of Eq. 17 inside the face's parts where the identities differ (not in the paper).
        structure_loss: weight of 1 - SSIM of what the first two of these three see (not in the paper).
        texture_loss: weight of `texture_loss` (not in the paper).
        colour_loss: weight of `colour_loss` inside the face's parts where the identities differ (not in the
            paper).
        average: half life in photos of the averaged weights that are shipped; 0 ships the last ones, as the
            paper does.
        strength: length of an identity vector, of 1 in training, that the finished networks show; less
            changes less of the look (not in the paper).
        attribute_widths: of the attribute encoder.
        attribute_finest: how its last level is enlarged (`shuffle` is not in the paper).
        fusion_widths: of the fusion generator.
        discriminator_width: of the multi-scale discriminator, and of the components'.
    """

    steps: int = 15_600
    batch: int = 16
    rate: float = 4e-4
    discriminator_rate: float = 1e-3
    decay_share: float = 0.25
    same_share: float = 0.25
    random_share: float = 0.35
    coarse_share: float = 0.06
    sharp_share: float = 0.3
    sums: bool = False
    varied: bool = True
    identity_side: int = 64
    identity_enough: float = 0.7
    adversarial: float = 2.0
    adversarial_ramp: int = 0
    attribute_loss: float = 10.0
    identity_loss: float = 8.0
    leak_loss: float = 16.0
    second_loss: float = 1.5
    parsing_loss: float = 1.0
    component_loss: float = 2.0
    feature_loss: float = 6.0
    reconstruction_loss: float = 600.0
    context_loss: float = 300.0
    face_loss: float = 4.0
    structure_loss: float = 30.0
    texture_loss: float = 10_000.0
    colour_loss: float = 2500.0
    average: float = 5000.0
    strength: float = 1.0
    attribute_widths: tuple[int, ...] = (16, 32, 64, 96, 96, 96)
    attribute_finest: str = "shuffle"
    fusion_widths: tuple[int, ...] = (128, 128, 96, 64, 32, 16, 12)
    discriminator_width: int = 16

    def weights(self) -> dict[str, float]:
        """Weight of each loss of attribute encoder and fusion, by the name under which the trainer reports it."""
        return {
            "adversarial": self.adversarial,
            "attributes": self.attribute_loss,
            "identity": self.identity_loss,
            "leak": self.leak_loss,
            "second identity": self.second_loss * self.identity_loss,
            "second leak": self.second_loss * self.leak_loss,
            "parsing": self.parsing_loss,
            "components": self.component_loss,
            "features": self.feature_loss,
            "reconstruction": self.reconstruction_loss,
            "context": self.context_loss,
            "face": self.face_loss,
            "structure": self.structure_loss,
            "texture": self.texture_loss,
            "colour": self.colour_loss,
        }


# [IDP] Eqs. 14 to 18 and the weights of V-A, and nothing else; squares are means unless `sums` is set.
PAPERS_LOSSES = FusionTraining(
    discriminator_rate=4e-4,
    decay_share=0.0,
    random_share=0.0,
    coarse_share=0.0,
    sharp_share=0.0,
    varied=False,
    adversarial=1.0,
    attribute_loss=10.0,
    identity_loss=5.0,
    identity_enough=1.0,
    leak_loss=0.0,
    second_loss=0.0,
    parsing_loss=0.0,
    component_loss=0.0,
    feature_loss=0.0,
    reconstruction_loss=10.0,
    context_loss=0.0,
    face_loss=0.0,
    structure_loss=0.0,
    texture_loss=0.0,
    colour_loss=0.0,
    average=0.0,
    attribute_finest="bilinear",
)
FUSION_PRESETS = {"ours": FusionTraining(), "paper": PAPERS_LOSSES}
