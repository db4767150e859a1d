# SPDX-License-Identifier: Apache-2.0
"""Settings of identity-dp's fusion training, and a preset with only the paper's losses."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FusionTraining:
    """Settings of a run; those not in the paper are marked, and `PAPERS_LOSSES` omits all of them.

    `attribute_loss`, `identity_loss` and `reconstruction_loss` are the weights of [IDP] Eqs. 16, 15 and 17.
    The weights of the bundled model changed during its training (docs/model-card.md).

    Attributes:
        steps: optimiser steps; the learning rates fall to a tenth over the last `decay_share` of them (not in
            the paper).
        batch: photos per step; the discriminators learn from half of them and the corresponding fakes.
        rate: learning rate of Adam; its betas are 0 and 0.999.
        discriminator_rate: learning rate of the discriminators (equal to `rate` in the paper).
        same_share: share of a batch combined with the photo's own identity; only these photos are
            reconstructed.
        random_share: share of a batch combined with a random unit vector, as results from noise (not in the
            paper). The rest are combined with the identity of another photo.
        coarse_share: share of a batch whose attributes are computed after `coarsened` to 8, 16 or 32 px (not
            in the paper).
        sharp_share: share of a batch drawn from the sharpest tenth of the photos, on which artefacts are most
            visible (not in the paper).
        sums: squares of Eqs. 16 and 17 are sums over maps and images, as in the paper; otherwise means, as in
            FaceShifter, the origin of these losses, at about the same weights.
        varied: new faces are varied like training photos before the identity encoders, half of them turned
            grey (not in the paper).
        identity_side: side in pixels to which new faces are reduced before that; at a finer resolution an
            encoder is satisfied by patterns that show nobody (not in the paper).
        identity_enough: cosine to the target above which the identity loss is 0 (1 in the paper).
        adversarial: weight of the hinge loss.
        adversarial_ramp: steps over which the weights of all hinge losses rise from 0, for a run that starts
            from trained networks with new discriminators (not in the paper).
        leak_loss: weight of the excess closeness of a new face to the photo's own identity
            (`identity_losses`; not in the paper).
        second_loss: weight of both losses by a second encoder, relative to the weights of the first (not in
            the paper).
        parsing_loss: weight of `parsing_loss`, by a parser (not in the paper).
        component_loss: weight of the hinge losses of eye and mouth crops (not in the paper).
        feature_loss: weight of the hinge loss of a discriminator on SqueezeNet's features (not in the paper).
        context_loss: weight of Eq. 17 outside the face where the target is another identity (not in the
            paper).
        face_loss: weight of Eq. 17 on the face where the target is another identity (not in the paper).
        structure_loss: weight of 1 - SSIM in the regions of the reconstruction and context losses (not in the
            paper).
        texture_loss: weight of `texture_loss` (not in the paper).
        colour_loss: weight of `colour_loss` on the face where the target is another identity (not in the
            paper).
        average: half-life in photos of the averaged weights that are shipped; 0 ships the last weights, as
            the paper does.
        strength: length of an identity vector (1 in training) that the finished networks apply; a smaller one
            changes the face less (not in the paper).
        attribute_widths: widths of the attribute encoder.
        attribute_finest: upsampling of the attribute encoder's last level (`shuffle` is not in the paper).
        fusion_widths: widths of the fusion generator.
        discriminator_width: width of the multi-scale discriminator and of the component discriminators.
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
        """Weights of the losses of attribute encoder and fusion generator, by their reported names."""
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


# Only [IDP] Eqs. 14 to 18 with the weights of V-A; squares are means unless `sums` is set.
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
