# SPDX-License-Identifier: Apache-2.0
"""identity-dp: a face with the same attributes and a new identity, drawn by differential privacy [IDP].

Yunqian Wen, Bo Liu, Ming Ding, Rong Xie, Li Song, "IdentityDP: Differential Private Identification Protection
for Face Images", Neurocomputing 501, 2022. The file follows the order of the paper: identity and attributes,
perturbation, reconstruction. Gaps and errors of the paper are listed in `docs/methods/identity-dp.md`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import torch
from torch import Tensor
from torch.nn import functional

from semveil import mechanisms
from semveil.core.model_folders import ModelName
from semveil.core.registry import suggest
from semveil.encoders.attributes import coarsened
from semveil.keys.secret import read_secret
from semveil.mechanisms import (
    SPHERE_MECHANISMS,
    LiteralLaplace,
    RenormalisedL2Laplace,
    RenormalisedLaplace,
    SphereMechanism,
)
from semveil.mechanisms.base import require_epsilon, require_positive
from semveil.mechanisms.exact.sphere import STEP
from semveil.methods.dp_image import FACE_FOUND, PUBLIC_MODEL
from semveil.methods.latent_dp import LatentDP
from semveil.methods.on_model import OnModel
from semveil.methods.options import Option
from semveil.methods.pseudonym import Pseudonyms
from semveil.methods.release import Draw, Layout, Release
from semveil.models.identity import DEFAULT_IDENTITY_MODEL, IdentityModel, load_identity_model
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.composition import compose
from semveil.privacy.coverage import Coverage, Kind, Part
from semveil.privacy.guarantee import Basis, Guarantee, MetricForm, Norm, Sensitivity, post_process

DEFAULT_EPSILON = 1.0  # the paper's 6 promises far less and keeps nothing more (docs/epsilon.md)
# the exponential mechanism with cosine utility, or minus cosine with `repel`
DEFAULT_MECHANISM = "von-mises-fisher"
CALIBRATIONS = ("corrected", "as_published")
FUSION = "the fusion network that makes the picture"
# laws calibrated by a sensitivity
NORMS = {RenormalisedLaplace.name: Norm.L1, RenormalisedL2Laplace.name: Norm.L2}


class IdentityDP(OnModel):
    """Gives a face another identity and keeps its other attributes, such as pose, expression and hair.

    X' = h(M(r_id(X)), r_att(X)) ([IDP] Eqs. 10 to 13). The guarantee covers the identity vector only.
    Everything else of the face passes in clear through the attributes, by which acquaintances may recognise
    the person; recognition rates are reported in `docs/methods/identity-dp.md`.

    Args:
        model: an identity model, or its name.
        epsilon: privacy budget of the identity (1; the paper's is 6).
        mechanism: law of the new identity on the unit sphere, see `mechanisms.SPHERE_MECHANISMS`. By default
            `von-mises-fisher`, and `laplace` with calibration `as_published`. `privunit` keeps most of the
            old identity.
        calibration: `corrected`: epsilon holds for any two photos. `as_published`: Laplace noise of scale
            observed sensitivity over epsilon, whose true epsilon is 2 sqrt(d) / scale.
        observed_sensitivity: for `as_published`: largest L1 distance observed between two identity vectors
            ([IDP] Eq. 12).
        renormalise: with Laplace noise: divide the noisy vector by its length, which costs no privacy. False
            follows [IDP] Eq. 11 literally and destroys the image, since no network was trained for such
            lengths.
        repel: draw around the opposite of the photo's vector, so that the new face is unlike the person. The
            opposite is a vector like any other, so epsilon is the same.
        pseudonym: alternative to a mechanism: a key file, under which every subject has one new face; no
            guarantee.
        attribute_side: bottleneck: attributes are computed from the crop averaged to this many pixels per
            side. The bundled model was also trained with 8, 16 and 32.
        attribute_epsilon: budget at which latent-dp chooses a face from a public gallery, from which
            attributes are computed instead of from the photo. Then the whole crop is covered, at the sum of
            both budgets.

    Raises:
        ValueError: an unknown choice, or options that cannot be combined.
        KeyProblem: the key file cannot be used.

    Example:
        >>> method = IdentityDP(IdentityModel.example(), epsilon=2.0)
        >>> claim = method.protect(torch.zeros(1, 3, 4, 4)).guarantee
        >>> round(claim.epsilon, 6), claim.covers, claim.whole_record_epsilon
        (2.0, 'the identity vector of 4 numbers', None)
    """

    name: ClassVar[str] = "identity-dp"
    hides: ClassVar[str] = "the identity vector, so that recognisers take most faces for other people"
    leaves: ClassVar[str] = "hair, pose, expression, clothes and place, which may name the person"
    by_default: ClassVar[str] = "epsilon 1 for the identity vector alone: strong"
    layout: ClassVar[Layout] = Layout.WHOLE_PHOTO

    def __init__(
        self,
        model: IdentityModel | ModelName = DEFAULT_IDENTITY_MODEL,
        *,
        epsilon: Annotated[
            float | None, Option(f"Epsilon of the identity vector; {DEFAULT_EPSILON:g} by default.")
        ] = None,
        mechanism: Annotated[
            str | None,
            Option(f"Law of the new identity; {DEFAULT_MECHANISM} by default.", tuple(SPHERE_MECHANISMS)),
        ] = None,
        calibration: Annotated[
            str, Option("Scale of Laplace noise, corrected or the paper's.", CALIBRATIONS)
        ] = "corrected",
        observed_sensitivity: Annotated[
            float | None, Option("Largest L1 distance seen between identities, for calibration as_published.")
        ] = None,
        renormalise: Annotated[
            bool,
            Option("Divide identities under Laplace noise by their length; the paper's Eq. 11 does not."),
        ] = True,
        repel: Annotated[
            bool, Option("Draw the new identity away from the old one, at the same epsilon.")
        ] = False,
        pseudonym: Annotated[
            str | None, Option("Key file: every subject has one new face under it; linkable, no guarantee.")
        ] = None,
        attribute_side: Annotated[
            int | None,
            Option(
                "Bottleneck: attributes see the crop averaged to so many pixels per side, such as 8, 16 or "
                "32."
            ),
        ] = None,
        attribute_epsilon: Annotated[
            float | None,
            Option("Epsilon of the attributes, then taken from a public face that latent-dp chooses."),
        ] = None,
    ) -> None:
        _check_choice("calibration", calibration, CALIBRATIONS)
        published = calibration == "as_published"
        if mechanism is not None:
            _check_choice("mechanism", mechanism, tuple(SPHERE_MECHANISMS))
        if published and (mechanism not in (None, RenormalisedLaplace.name) or repel):
            raise ValueError(
                "the paper publishes Laplace noise around the photo's own vector; use calibration 'corrected'"
            )
        if published != (observed_sensitivity is not None):
            raise ValueError(
                "calibration 'as_published' and an observed sensitivity go together: the largest L1 "
                "distance between two identity vectors of a set "
                "(semveil.methods.identity_dp.observed_sensitivity measures it)"
            )
        if not renormalise and not published and mechanism != RenormalisedLaplace.name:
            raise ValueError(
                "only Laplace noise leaves another length than 1; without it leave renormalise as it is"
            )
        if pseudonym is not None and (epsilon is not None or mechanism is not None or published or repel):
            raise ValueError(
                "a pseudonym does not depend on the photo and has no epsilon; leave the mechanism's options "
                "out"
            )
        if attribute_side is not None and attribute_epsilon is not None:
            raise ValueError("give the side of the attributes' bottleneck or their epsilon, not both")
        self.model = load_identity_model(model) if isinstance(model, str | Path) else model
        if attribute_side is not None and (attribute_side < 1 or self.model.size % attribute_side):
            raise ValueError(
                f"the attributes' side divides the crop's, {self.model.size} pixels; got {attribute_side}"
            )
        self.calibration, self.repel, self.attribute_side = calibration, repel, attribute_side
        self.nominal_epsilon = DEFAULT_EPSILON if epsilon is None else epsilon
        require_epsilon(self.nominal_epsilon)
        self.pseudonyms = None if pseudonym is None else Pseudonyms(read_secret(pseudonym))
        self.law: SphereMechanism | LiteralLaplace | None = None
        if observed_sensitivity is not None:
            require_positive("the observed sensitivity", observed_sensitivity)
            noise = RenormalisedLaplace if renormalise else LiteralLaplace
            self.law = noise(self.dimension, observed_sensitivity / self.nominal_epsilon)
        elif not renormalise:
            self.law = LiteralLaplace.calibrate(self.dimension, self.nominal_epsilon)
        elif self.pseudonyms is None:
            self.law = SPHERE_MECHANISMS[mechanism or DEFAULT_MECHANISM].calibrate(
                self.dimension, self.nominal_epsilon
            )
        self.look: LatentDP | None = None
        if attribute_epsilon is not None:
            self.look = LatentDP(epsilon=attribute_epsilon, mechanism="exponential")

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self:
        there = super().to(device, dtype)
        there.look = None if self.look is None else self.look.to(device, dtype)
        return there

    @property
    def dimension(self) -> int:
        """Dimension d of the identity vector."""
        return self.model.dim

    @property
    def needs_subjects(self) -> bool:
        """True if `protect` needs the name of each crop's subject."""
        return self.pseudonyms is not None

    @property
    def model_digest(self) -> str:
        """SHA-256 over the networks, with those that choose private attributes, and the key's identifier."""
        more = [self.look.model_digest] if self.look else []
        more += [self.pseudonyms.key_id] if self.pseudonyms else []
        return (
            self.model.digest
            if not more
            else hashlib.sha256(" ".join([self.model.digest, *more]).encode()).hexdigest()
        )

    # Stage I: identity and attributes

    def identify(self, images: Tensor) -> Tensor:
        """Identity vectors r_id of crops, (B, d) of unit length.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: the images do not fit the model.
        """
        self.model.check(images)
        return self.model.identify(images)

    def attributes(self, images: Tensor, *, rng: torch.Generator | None = None) -> tuple[Tensor, ...]:
        """Attributes r_att of crops: maps (B, C, h, w) from coarse to fine.

        They are computed behind the bottleneck or from the gallery face, if the method has one.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of the simulated choice of a gallery face; exact choice where None.
        """
        return self.model.attributes(self._seen(images, rng=rng))

    def _seen(self, images: Tensor, *, rng: torch.Generator | None) -> Tensor:
        """Images from which the attributes of crops are computed."""
        self.model.check(images)
        if self.attribute_side is not None:
            return coarsened(images, self.attribute_side)
        if self.look is None:
            return images
        crops = functional.interpolate(images, size=(self.look.size,) * 2, mode="bilinear", antialias=True)
        chosen = self.look.protect(crops, rng=rng).images
        return functional.interpolate(chosen, size=(self.size,) * 2, mode="bilinear", antialias=True).clamp(
            -1, 1
        )

    # Stage II: perturbation

    def perturb(self, identities: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Perturbed identity vectors (B, d), of unit length unless Eq. 11 is followed literally.

        Args:
            identities: (B, d), of unit length.
            rng: source of simulated draws; exact draws from the operating system where None.

        Raises:
            ValueError: the method uses pseudonyms, which do not depend on the photo's identity.
        """
        if self.law is None:
            raise ValueError(
                "a pseudonym does not depend on the photo's identity, so there is nothing to perturb"
            )
        centres = -identities if self.repel else identities
        return self.law.release(centres) if rng is None else self.law(centres, rng=rng)

    # Stage III: reconstruction

    def protect(
        self, images: Tensor, *, rng: torch.Generator | None = None, subjects: Sequence[str] | None = None
    ) -> Release:
        """Images of crops with new identities, which are the release's latents (B, 1, d).

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise; exact noise from the operating system where None.
            subjects: name of each crop's subject; required with pseudonyms, not allowed otherwise.

        Raises:
            ValueError: the images do not fit the model, or subjects are missing or not expected.
        """
        drawn = self.draw(images, rng=rng, subjects=subjects)
        return Release(self.show(drawn, images), drawn.values["identities"][:, None], drawn.guarantee)

    def draw(
        self, images: Tensor, *, rng: torch.Generator | None = None, subjects: Sequence[str] | None = None
    ) -> Draw:
        """New identities for crops, and the faces for their attributes if these have a budget.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: as for `protect`.
            subjects: as for `protect`.

        Raises:
            ValueError: as for `protect`.
        """
        if (subjects is not None) != self.needs_subjects:
            need = (
                "needs the name of each crop's subject"
                if self.needs_subjects
                else "has no use for names of subjects"
            )
            raise ValueError(f"{self.name} {'with' if self.needs_subjects else 'without'} a pseudonym {need}")
        self.model.check(images)
        look = {} if self.look is None else {"look": self._seen(images, rng=rng)}
        if self.pseudonyms is not None and subjects is not None:
            if len(subjects) != len(images):
                raise ValueError(f"{len(images)} crops with {len(subjects)} subjects; each crop needs one")
            identities = self.pseudonyms.identities(subjects, self.dimension).to(images)
        else:
            identities = self.perturb(self.model.identify(images), rng=rng)
        return Draw({"identities": identities, **look}, self.guarantee(simulated=rng is not None))

    def show(self, draw: Draw, images: Tensor) -> Tensor:
        """Synthesise crops with drawn identities.

        Attributes are those of the crops, unless the draw includes faces for them.

        Args:
            draw: identities for each crop, or one for all.
            images: (B, 3, S, S) in [-1, 1].
        """
        seen = draw.values["look"] if self.look is not None else self._seen(images, rng=None)
        identities = draw.values["identities"]
        return self.model.fuse(
            identities.expand(len(images), -1), self.model.attributes(seen.expand(len(images), -1, -1, -1))
        )

    def reconstruct(self, images: Tensor) -> Tensor:
        """Crops synthesised from their own identity and attributes, hence unprotected.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: the images do not fit the model.
        """
        return self.model.fuse(self.identify(images), self.model.attributes(images))

    # Guarantee

    def guarantee(self, *, simulated: bool = False) -> Guarantee:
        """Guarantee for each photo alone.

        Args:
            simulated: the noise comes from a seeded stream and not from the operating system.
        """
        claim = self._identity_claim(simulated)
        if self.look is not None:
            claim = compose(claim, self.look.guarantee(simulated=simulated))
            return post_process(claim, FUSION)
        seen = (
            ""
            if self.attribute_side is None
            else f", seen in {self.attribute_side} x {self.attribute_side} pixels"
        )
        return post_process(claim, FUSION, also_reads=[Part(Kind.ATTRIBUTES, self.model.digest, note=seen)])

    def _identity_claim(self, simulated: bool) -> Guarantee:
        coverage = Coverage.of(Part(Kind.IDENTITY, self.model.digest, size=self.dimension))
        if self.law is None:
            reason = "each subject has one new face, so that pictures of a person can be linked on purpose"
            return Guarantee.none(coverage.words, reason=reason).about(coverage)
        claim = self.law.guarantee(exact=not simulated, assumptions=(FACE_FOUND, PUBLIC_MODEL)).about(
            coverage
        )
        if claim.metric is None:
            return claim
        return replace(claim, metric=MetricForm(claim.metric.rate, claim.metric.norm, "the identity vectors"))

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        caveats = [] if self.look else [Caveat.ATTRIBUTES]
        said: dict[str, Any] = {}
        if self.law is None:
            caveats.append(Caveat.LINKABLE)
        else:
            norm = NORMS.get(self.law.name)
            said = {
                "mechanism": self.law.name,
                "calibration": self.calibration,
                "nominal_epsilon": self.nominal_epsilon,
                "scale": getattr(self.law, "scale", None),
                "grid_step": None
                if release.guarantee.basis == Basis.SIMULATION
                else getattr(self.law, "step", STEP),
                "sensitivity": None if norm is None else mechanisms.sphere_sensitivity(self.dimension, norm),
            }
            if self.look is not None:
                said["part_budgets"] = {"identity": self.law.epsilon, "attributes": self.look.nominal_epsilon}
        return Certificate(
            release=ReleaseKind.IMAGE,
            method=self.name,
            protection=self._protection(),
            guarantee=release.guarantee,
            images=len(release),
            model=self.model.name,
            model_hash=self.model.digest,
            bounds_hash=None if self.look is None else self.look.model.bounds().digest,
            caveats=tuple(caveats),
            **said,
        )

    def _protection(self) -> str:
        if self.law is None:
            return "pseudonym"
        literal = "-not-renormalised" if isinstance(self.law, LiteralLaplace) else ""
        return f"{self.law.name}{literal}{'-repelling' if self.repel else ''}"


def observed_sensitivity(identities: Tensor) -> Sensitivity:
    """Largest L1 distance between any two of the vectors ([IDP] Eq. 12); not a bound for other photos.

    Args:
        identities: (N, d) identity vectors.

    Example:
        >>> observed_sensitivity(torch.eye(4)).value
        2.0
    """
    return mechanisms.observed_pairwise_sensitivity(identities.detach().cpu().double().numpy(), Norm.L1)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"{name} has no choice {value!r}{suggest(value, choices)}; allowed: {', '.join(choices)}"
        )
