# SPDX-License-Identifier: Apache-2.0
"""latent-dp: latent coordinates clipped to public quantiles, noised by budget share, clipped again [LDP].

Tao Li, Chris Clifton, "Differentially Private Imaging via Latent Space Manipulation", 2021. The file follows
the order of the paper's Algorithm 2: encode, clip, noise, clip, generate. Gaps and errors of the paper are
listed in `docs/methods/latent-dp.md`.
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from semveil.core.model_folders import ModelName
from semveil.core.registry import suggest
from semveil.mechanisms import MECHANISMS, CoordinateSensitivity, Gaussian, Mechanism, PerCoordinateLaplace
from semveil.mechanisms.bounds.weights import WEIGHTINGS, budget_shares, scales_as_published
from semveil.mechanisms.exact.release import noisy, release_of
from semveil.mechanisms.exponential import Exponential
from semveil.mechanisms.nearest import Nearest
from semveil.methods.dp_image import FACE_FOUND, GENERATOR, PUBLIC_MODEL, bounds_of
from semveil.methods.gallery import Gallery, gallery_of
from semveil.methods.latent_model import PERCEPTUAL_OPTION, LatentModel, latent_model_for
from semveil.methods.on_model import OnModel
from semveil.methods.options import Option
from semveil.methods.release import Release
from semveil.methods.subspace import subspace_of
from semveil.methods.subspace_noise import (
    DELTA_OPTION,
    RESIDUAL_OPTION,
    RESIDUALS,
    SUBSPACE_LAWS,
    SUBSPACE_OPTION,
    InSubspace,
    SubspaceLaw,
    subspace_law,
)
from semveil.models.face import DEFAULT_MODEL
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.coverage import Coverage
from semveil.privacy.guarantee import Basis, Guarantee, Norm, Sensitivity, post_process

DEFAULT_EPSILON = 10.0
DEFAULT_GALLERY, SUBSPACE_GALLERY = 1000, 10_000
LARGEST_FULL_GALLERY = 10_000  # faces whose latents are all held in memory
CALIBRATIONS = ("corrected", "as_published")
CHOICES = ("exponential", Nearest.name)
OWN_CHOICES = ("laplace", *SUBSPACE_LAWS, *CHOICES, "none")
OTHERS = "others"  # in a budget: all groups not named
GALLERY_SEED = 0


def choices() -> tuple[str, ...]:
    """Values of `mechanism`: this method's own, and registered laws with one scale for all coordinates."""
    return (
        *OWN_CHOICES,
        *(name for name in MECHANISMS if name not in (*OWN_CHOICES, PerCoordinateLaplace.name)),
    )


class LatentDP(OnModel):
    """Adds noise to all latent codes of a face, within public bounds, and makes a new picture from them.

    Clip, Laplace noise of scale S_j / (w_j epsilon), clip, decode.

    Args:
        model: a latent model, or its name.
        epsilon: privacy budget (10).
        clip: percent of public latents that the bounds cut off at either end of every coordinate; the paper's
            25/75 is 25.
        weights: split of the budget between coordinates, see `mechanisms.bounds.weights`.
        budget: alternative to epsilon: epsilon by semantic group, such as `eyes=20,mouth=20,others=60`; they
            add up.
        calibration: `corrected`, or `as_published`, whose true epsilon is far larger than the nominal one.
        mechanism: `laplace`; `exponential`, which shows a face from a public gallery, similar ones with
            higher probability; `none`, which only clips and protects nothing; or another registered noise
            law.
        gallery: number of synthetic faces from which `exponential` and `nearest` choose (1000; in a subspace
            10,000).
        perceptual: perceptual term of the inversion, such as `lpips`; the model's own where None.
        subspace: number of public principal directions of the latents (4 to 64) in which the mechanism acts;
            the rest of the photo is dropped. The mechanism may then also be `gaussian`, `privunit-g` or
            `nearest`, which shows one of the nearest faces of the gallery, all with one probability, or any
            other with a smaller one; `none` shows the ceiling.
        delta: delta of gaussian noise (1e-6).
        residual: in a subspace: replacement of the dropped part: the prior's `mean`, or a `draw` that is
            independent of the photo, for a gallery face its own. With `mean` such a face is clipped too,
            which makes it less of an outlier.

    Raises:
        ValueError: an unknown choice, bounds that are not stored, or options that cannot be combined.

    Example:
        >>> method = LatentDP(LatentModel.example(), epsilon=2.0, clip=25.0)
        >>> claim = method.protect(torch.zeros(1, 3, 2, 2)).guarantee
        >>> round(claim.epsilon, 6), claim.basis.value, claim.whole_record_epsilon == claim.epsilon
        (2.0, 'proved', True)
    """

    name: ClassVar[str] = "latent-dp"
    hides: ClassVar[str] = "the face where epsilon is small, by noise on clipped latent codes"
    leaves: ClassVar[str] = "the likeness where epsilon is large"
    by_default: ClassVar[str] = "epsilon 10: protects nobody"

    def __init__(
        self,
        model: LatentModel | ModelName = DEFAULT_MODEL,
        *,
        epsilon: Annotated[
            float | None, Option(f"Epsilon of all codes; {DEFAULT_EPSILON:g} by default.")
        ] = None,
        clip: Annotated[
            float, Option("Percent of public latents that the bounds of every coordinate cut off.")
        ] = 25.0,
        weights: Annotated[
            str, Option("How the budget is split between coordinates.", tuple(WEIGHTINGS))
        ] = "uniform",
        budget: Annotated[
            str | None,
            Option("Budget by semantic group instead, such as eyes=20,mouth=20,others=60; they add up."),
        ] = None,
        calibration: Annotated[
            str, Option("Scale of the noise; the published formula is inverted.", CALIBRATIONS)
        ] = "corrected",
        mechanism: Annotated[
            str,
            Option("Noise, a choice from a public gallery, or only clipping (protects nothing).", choices()),
        ] = "laplace",
        gallery: Annotated[
            int | None,
            Option(
                f"Size of the public gallery; {DEFAULT_GALLERY} by default, in a subspace {SUBSPACE_GALLERY}."
            ),
        ] = None,
        perceptual: Annotated[str | None, PERCEPTUAL_OPTION] = None,
        subspace: Annotated[int | None, SUBSPACE_OPTION] = None,
        delta: Annotated[float | None, DELTA_OPTION] = None,
        residual: Annotated[str | None, RESIDUAL_OPTION] = None,
    ) -> None:
        self.model = latent_model_for(model, perceptual)
        for name, value, allowed in (
            ("weights", weights, tuple(WEIGHTINGS)),
            ("calibration", calibration, CALIBRATIONS),
            ("mechanism", mechanism, choices()),
        ):
            if value not in allowed:
                raise ValueError(
                    f"{name} has no choice {value!r}{suggest(value, allowed)}; allowed: {', '.join(allowed)}"
                )
        if epsilon is not None and budget is not None:
            raise ValueError("give epsilon or a budget by group, not both: the groups' epsilons add up")
        if calibration != "corrected" and (mechanism != "laplace" or budget is not None):
            raise ValueError(
                "the paper publishes no noise but Laplace noise of one budget; use calibration 'corrected'"
            )
        if mechanism == "none" and (epsilon is not None or budget is not None):
            raise ValueError("clipping alone has no epsilon; leave it out")
        if mechanism != "laplace" and (weights != "uniform" or budget is not None):
            raise ValueError(
                f"mechanism {mechanism!r} splits no budget between coordinates; leave weights and budget out"
            )
        if mechanism not in CHOICES and gallery is not None:
            raise ValueError(f"mechanism {mechanism!r} chooses from no gallery; leave gallery out")
        if subspace is None and (mechanism in (*SUBSPACE_LAWS, Nearest.name) or residual is not None):
            raise ValueError(
                f"mechanism {mechanism!r} and a residual belong to a subspace; give its size, or leave them "
                "out"
            )
        if subspace is not None and (budget is not None or calibration != "corrected"):
            raise ValueError(
                "a subspace has no groups of codes, and the paper none; leave budget and calibration out"
            )
        if mechanism != Gaussian.name and delta is not None:
            raise ValueError(f"mechanism {mechanism!r} has no delta; leave it out")
        faces = gallery if gallery is not None else DEFAULT_GALLERY if subspace is None else SUBSPACE_GALLERY
        if faces < 2:
            raise ValueError(f"the gallery needs at least 2 faces, got {faces}")
        if subspace is None and faces > LARGEST_FULL_GALLERY:
            raise ValueError(
                f"a gallery of {faces:,} faces does not fit into memory whole; compare them in a subspace"
            )
        self.clip, self.weights, self.calibration, self.mechanism_name = clip, weights, calibration, mechanism
        self.subspace: InSubspace | None = None
        if subspace is not None:
            self.subspace = InSubspace(
                subspace_of(self.model, subspace), self.model, residual or RESIDUALS[0]
            )
        self.box = self.model.quantiles(clip) if self.subspace is None else self.subspace.space.box(clip)
        self.sensitivity = self.box.coordinate_sensitivity()
        self.budget = None if budget is None else group_budget(budget, self.model.groups)
        total = DEFAULT_EPSILON if epsilon is None else epsilon
        if self.budget is not None:
            total = math.fsum(self.budget.values())
        self.nominal_epsilon = None if mechanism == "none" else total
        self.shares = budget_shares(self.sensitivity, weights, groups=self.model.groups, budget=self.budget)
        self.noise: Mechanism | None = None
        self.noise_sensitivity: Sensitivity | CoordinateSensitivity = self.sensitivity
        if mechanism == "laplace":
            self.noise = self._noise(total)
        elif mechanism not in OWN_CHOICES:
            kind = MECHANISMS[mechanism]
            self.noise_sensitivity = self.box.sensitivity(kind.norm)
            self.noise = kind.calibrate(self.noise_sensitivity, total)
        self.release = None if self.noise is None else release_of(self.noise)
        self.law: SubspaceLaw | None = None
        self.choice: Exponential | Nearest | None = None
        self.gallery: Tensor | Gallery | None = None
        if self.subspace is not None and mechanism in SUBSPACE_LAWS:
            self.law = subspace_law(mechanism, self.subspace.space, total, delta=delta)
        if mechanism in CHOICES:
            self.gallery = self._gallery(faces)
            if mechanism == Nearest.name and subspace is not None:
                self.choice = Nearest.calibrate(faces, total, dimension=subspace)
            else:
                self.choice = Exponential.calibrate(self.utility_sensitivity, total)

    def _gallery(self, faces: int) -> Tensor | Gallery:
        if self.subspace is not None:
            return gallery_of(self.model, self.subspace.space, faces)
        rng = torch.Generator().manual_seed(GALLERY_SEED)
        # On the CPU, where sums of distances are the same on every machine.
        return self.box.clip(self.model.public_latents(faces, rng).cpu())

    def _noise(self, epsilon: float) -> PerCoordinateLaplace:
        if self.calibration == "as_published":
            return scales_as_published(self.sensitivity, epsilon, self.shares)
        return PerCoordinateLaplace.calibrate(self.sensitivity, epsilon, weights=self.shares)

    @property
    def model_digest(self) -> str:
        """SHA-256 over the networks and the public bounds or subspace."""
        return self.model.digest_with_bounds if self.subspace is None else self.subspace.digest

    @property
    def utility_sensitivity(self) -> Sensitivity:
        """Sensitivity of `utilities`: at most 1, with a margin for rounding."""
        why = "distances in shares of the clip box add up to 1"
        if self.subspace is not None:
            why = "utilities, half of 1 plus a cosine, lie in [0, 1]"
        return Sensitivity(1 + 1e-9, Norm.L1, self.sensitivity.values.numel(), why)

    # Algorithm 2

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """New images of crops by [LDP] Algorithm 2.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise; exact noise from the operating system where None.

        Raises:
            ValueError: the images do not fit the model.
        """
        self.model.check(images)
        return self.protect_latents(self.model.encode(images), rng=rng)

    def protect_latents(self, latents: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """New images from latents of photos: `protect` without the encoding.

        Args:
            latents: (B, K, D), not clipped.
            rng: source of simulated noise; exact noise from the operating system where None.

        Raises:
            ValueError: the latents do not fit the model.
        """
        self.model.check_latents(latents)
        values = latents if self.subspace is None else self.subspace.coordinates(latents)
        if self.choice is not None:
            shown = self._chosen(values, rng).to(latents)
        else:
            shown = self._noisy(values, rng)
            if self.subspace is not None:
                shown = self.subspace.latents(shown, rng=rng)
        return Release(self.model.synthesize(shown), shown, self.guarantee(simulated=rng is not None))

    def _noisy(self, values: Tensor, rng: torch.Generator | None) -> Tensor:
        """Latents, or coordinates in a subspace, clipped, noised and clipped again."""
        if self.law is not None:
            return self.law.noisy(self.law.clip(values), rng=rng)
        clipped = self.box.clip(values)
        return (
            clipped
            if self.noise is None
            else self.box.clip(noisy(self.noise, self.release, clipped, rng=rng))
        )

    def _chosen(self, values: Tensor, rng: torch.Generator | None) -> Tensor:
        """Latents of the gallery faces chosen for latents, or for coordinates in a subspace."""
        assert self.choice is not None and self.gallery is not None
        utilities = self.utilities(self.box.clip(values) if self.subspace is None else values)
        chosen = self.choice.release(utilities) if rng is None else self.choice(utilities, rng=rng)
        if self.subspace is None or not isinstance(self.gallery, Gallery):
            return self.gallery[chosen]  # type: ignore[index]
        faces = self.gallery.latents(chosen)
        if self.subspace.residual == "draw":
            return faces
        return self.subspace.space.latents(self.box.clip(self.subspace.space.coordinates(faces)))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Crops (B, 3, S, S) encoded and synthesised without clipping or noise, hence unprotected.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: the images do not fit the model.
        """
        self.model.check(images)
        return self.model.synthesize(self.model.encode(images))

    def utilities(self, values: Tensor) -> Tensor:
        """Similarity to every face of the gallery: u_i = -sum_j w_j |z_j - g_ij| / S_j, from -1 to 0.

        Any u_i differs between two records by at most sum_j w_j = 1, by the triangle inequality. In a
        subspace it is (1 + cosine) / 2, from 0 to 1.

        Args:
            values: latents (B, K, D), clipped; or coordinates (B, R) in a subspace.

        Returns:
            (B, gallery) float64.

        Raises:
            ValueError: the mechanism has no gallery.
        """
        if self.gallery is None:
            raise ValueError(f"mechanism {self.mechanism_name!r} has no gallery")
        if isinstance(self.gallery, Gallery):
            return self.gallery.utilities(values)
        varying = self.sensitivity.values > 0
        weight = torch.where(
            varying, self.shares / self.sensitivity.values.where(varying, torch.ones(())), 0.0
        ).flatten()
        faces = self.gallery.flatten(1).double() * weight
        rows = values.flatten(1).double().cpu() * weight
        return -torch.stack([(faces - row).abs().sum(1) for row in rows])

    # Guarantee

    def guarantee(self, *, simulated: bool = False) -> Guarantee:
        """Guarantee for each photo alone.

        Args:
            simulated: the noise comes from a seeded stream and not from the operating system.
        """
        codes = self.model.latent_shape[0]
        coverage = Coverage.of_codes(self.model.digest, range(codes), codes)
        rests_on = (FACE_FOUND, PUBLIC_MODEL)
        if self.law is not None:
            claim = self.law.guarantee(simulated=simulated, assumptions=rests_on)
        elif isinstance(self.choice, Nearest):
            claim = self.choice.guarantee(exact=not simulated, assumptions=rests_on)
        elif self.choice is not None:
            claim = self.choice.guarantee(self.utility_sensitivity, exact=not simulated, assumptions=rests_on)
        elif self.noise is not None:
            law = self.noise if simulated or self.release is None else self.release
            claim = law.guarantee(self.noise_sensitivity, assumptions=rests_on)
        else:
            reason = "clipping is deterministic: the same photo always gives the same picture"
            return Guarantee.none(coverage.words, reason=reason).about(coverage)
        claim = claim.about(coverage)
        return post_process(
            claim, f"the second clipping and {GENERATOR}" if self.noise is not None else GENERATOR
        )

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        law = self.law or self.noise or self.choice
        simulated = release.guarantee.basis == Basis.SIMULATION
        sensitivity = self.noise_sensitivity if self.choice is None else self.utility_sensitivity
        noise: dict[str, Any] = {
            "grid_step": None if self.release is None or simulated else self.release.step,
            "bounds": bounds_of(self.box),
            "sensitivity": sensitivity.l1()
            if isinstance(sensitivity, CoordinateSensitivity)
            else sensitivity,
        }
        if self.subspace is not None and self.choice is not None:  # only directions are compared
            noise["bounds"] = None
        return Certificate(
            release=ReleaseKind.IMAGE,
            method=self.name,
            protection=self.mechanism_name,
            guarantee=release.guarantee,
            images=len(release),
            model=self.model.name,
            model_hash=self.model.digest,
            bounds_hash=self.model.bounds().digest if self.subspace is None else self.subspace.space.digest,
            perceptual=self.model.perceptual,
            mechanism=None if law is None else law.name,
            calibration=None if law is None else self.calibration,
            nominal_epsilon=self.nominal_epsilon,
            **(noise if self.law is None else self.law.certificate_fields(simulated=simulated)),
            private_codes=tuple(range(self.model.latent_shape[0])) if self.model.semantic else None,
            part_budgets=self.budget or {},
        )


def group_budget(text: str, groups: Mapping[str, tuple[int, ...]]) -> dict[str, float]:
    """Parse a budget such as `eyes=20,mouth=20,others=60` into the epsilon of every group.

    `others` is split evenly over the groups that are not named; without it all must be named, so that nothing
    stays in clear.

    Args:
        text: `group=epsilon` items, separated by commas.
        groups: 0-based codes of every group of the model.

    Raises:
        ValueError: an item is not `group=epsilon`; a group is unknown, named twice or missing; an epsilon is
            not positive.

    Example:
        >>> group_budget("red=2,others=6", {"red": (0,), "green": (1,), "blue": (2,)})
        {'red': 2.0, 'green': 3.0, 'blue': 3.0}
    """
    named: dict[str, float] = {}
    for item in text.split(","):
        group, _, amount = (piece.strip() for piece in item.partition("="))
        try:
            epsilon = float(amount)
        except ValueError:
            raise ValueError(
                f"cannot read {item.strip()!r} as group=epsilon; write for example eyes=20,others=60"
            ) from None
        if group != OTHERS and group not in groups:
            raise ValueError(
                f"no group named {group!r}{suggest(group, groups)}; groups: {', '.join(groups)}, {OTHERS}"
            )
        if group in named:
            raise ValueError(f"the budget names {group!r} twice; give each group one epsilon")
        if not (math.isfinite(epsilon) and epsilon > 0):
            raise ValueError(f"the epsilon of {group} must be a positive, finite number, got {epsilon}")
        named[group] = epsilon
    missing = [group for group in groups if group not in named]
    if missing and OTHERS not in named:
        raise ValueError(
            f"the budget leaves out {', '.join(missing)}; give each an epsilon, or all of them by "
            f"{OTHERS}=..."
        )
    if not missing and OTHERS in named:
        raise ValueError(f"the budget names every group, so there is none left for {OTHERS}")
    return {group: named[group] if group in named else named[OTHERS] / len(missing) for group in groups}
