# SPDX-License-Identifier: Apache-2.0
"""dp-image: Laplace noise on the latent codes of a face, and a new image from them [DPI].

Bo Liu, Ming Ding, Hanyu Xue, Tianqing Zhu, Dayong Ye, Li Song, Wanlei Zhou, "DP-Image: Differential Privacy
for Image Data in Feature Space", 2025. The file follows the order of the paper: features, noise,
reconstruction. Gaps and errors of the paper are listed in `docs/methods/dp-image.md`.
"""

from dataclasses import replace
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from semveil import mechanisms
from semveil.core.model_folders import ModelName
from semveil.core.registry import suggest
from semveil.mechanisms import ClipBox, Gaussian, Laplace
from semveil.mechanisms.draws import best_of, until_accepted
from semveil.methods.acceptance import ACCEPTANCE
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
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Bounds, Certificate, ReleaseKind
from semveil.privacy.coverage import Coverage
from semveil.privacy.guarantee import Basis, Guarantee, MetricForm, Sensitivity, post_process

DEFAULT_SCALE = 0.5  # the middle value of the paper's examples
SUBSPACE_EPSILON, SUBSPACE_CLIP = 8.0, 10.0  # defaults
STYLES = ("all", "identity")
NOISES = (Laplace.name, *SUBSPACE_LAWS)
SENSITIVITIES = ("box", "observed", "metric")
ANYTHING = "any"
UNTIL_ACCEPTED = 0  # value of `draws` for no limit
_TRIALS = 24  # public faces, of which the test must accept one

GENERATOR = "the generator that makes the picture"
FACE_FOUND = "that a face was found in the photo, and how many, is no secret"
PUBLIC_MODEL = "the networks and all bounds were made without photos of the person"


class DPImage(OnModel):
    """Adds noise to a face's latent codes and makes a new picture from them.

    Y = G(f(X) + N) with Laplace noise N ([DPI] Eqs. 8 to 10). The scale of the noise is set, as in the paper;
    the guarantee states the epsilon that follows. As long as the image still resembles the photo, epsilon is
    far too large to protect against an adversary who knows what to look for.

    Args:
        model: a latent model, or its name.
        scale: scale of the noise, in latent units (0.5).
        epsilon: alternative to the scale, which is then sensitivity over epsilon.
        styles: codes that get noise: `all`, or the model's `identity` codes, with the others in clear
            (Section 5.2).
        sensitivity: sensitivity from which epsilon is derived. `box`: latents are clipped to public bounds
            first, so it holds for any photo. `observed`: no clipping; the largest distance between public
            photos' latents, as in the paper (its 17,995), which bounds no other photo. `metric`: no clipping
            and no epsilon, only the loss per unit of distance.
        clip: for `box`: percent of public latents that bounds of every coordinate cut off at either end; one
            pair of bounds for all coordinates where None.
        accept: public test that an image must pass: `face` (dlib finds one), or `any` for no test.
        draws: number of draws from which the test may choose; 0 draws until it accepts.
        perceptual: perceptual term of the inversion, such as `lpips`; the model's own where None.
        subspace: number of public principal directions of the latents (4 to 64) that get noise instead of all
            latents; the rest of the photo is dropped, so that all of it is covered. The default epsilon is
            then 8.
        noise: in a subspace: `laplace` on coordinates clipped to a box (`clip` 10 by default), `gaussian` on
            coordinates clipped to a ball, `privunit-g` on their direction.
        delta: delta of gaussian noise (1e-6).
        residual: in a subspace: replacement of the dropped part: the prior's `mean`, or a `draw` that is
            independent of the photo.

    Raises:
        ValueError: an unknown choice, or options that cannot be combined.

    Example:
        >>> method = DPImage(LatentModel.example(), scale=4.0)
        >>> claim = method.protect(torch.zeros(1, 3, 2, 2)).guarantee
        >>> claim.epsilon, claim.basis.value  # 12 numbers, each in [-1, 2]
        (9.0, 'proved')
        >>> DPImage(LatentModel.example(), subspace=4, epsilon=2.0).guarantee().covers
        'all codes'
    """

    name: ClassVar[str] = "dp-image"
    hides: ClassVar[str] = "the face where epsilon is small, by noise on its latent codes"
    leaves: ClassVar[str] = "the likeness where epsilon is large"
    by_default: ClassVar[str] = "epsilon in the tens of thousands: protects nobody"

    def __init__(
        self,
        model: LatentModel | ModelName = DEFAULT_MODEL,
        *,
        scale: Annotated[
            float | None, Option(f"Scale of the Laplace noise, in latent units; {DEFAULT_SCALE} by default.")
        ] = None,
        epsilon: Annotated[float | None, Option("Epsilon, instead of --scale.")] = None,
        styles: Annotated[str, Option("Codes that get noise; the others pass in the clear.", STYLES)] = "all",
        sensitivity: Annotated[str, Option("Sensitivity that epsilon follows from.", SENSITIVITIES)] = "box",
        clip: Annotated[
            float | None, Option("Percent of public latents that the bounds of every coordinate cut off.")
        ] = None,
        accept: Annotated[
            str, Option("Public test that a picture must pass.", (ANYTHING, *ACCEPTANCE))
        ] = ANYTHING,
        draws: Annotated[
            int, Option("How many draws the test may choose from; each costs epsilon; 0: until it accepts.")
        ] = 1,
        perceptual: Annotated[str | None, PERCEPTUAL_OPTION] = None,
        subspace: Annotated[int | None, SUBSPACE_OPTION] = None,
        noise: Annotated[
            str, Option("Law of the noise; others than laplace are for a subspace.", NOISES)
        ] = Laplace.name,
        delta: Annotated[float | None, DELTA_OPTION] = None,
        residual: Annotated[str | None, RESIDUAL_OPTION] = None,
    ) -> None:
        self.model = latent_model_for(model, perceptual)
        _check_choice("noise", noise, NOISES)
        _check_choice("styles", styles, STYLES)
        _check_choice("sensitivity", sensitivity, SENSITIVITIES)
        _check_choice("accept", accept, (ANYTHING, *ACCEPTANCE))
        if scale is not None and epsilon is not None:
            raise ValueError("give the scale of the noise or epsilon, not both: each follows from the other")
        if clip is not None and sensitivity != "box":
            raise ValueError(f"with sensitivity {sensitivity!r} latents are not clipped; leave clip out")
        if epsilon is not None and sensitivity == "metric":
            raise ValueError("sensitivity 'metric' has no epsilon to ask for; give the scale")
        if (accept == ANYTHING) != (draws == 1) or draws < 0:
            raise ValueError(
                f"several draws go with a test that chooses, one draw without, got accept={accept!r}, "
                f"draws={draws}"
            )
        if subspace is None and (noise != Laplace.name or residual is not None):
            raise ValueError(
                f"noise {noise!r} and a residual belong to a subspace; give its size, or leave them out"
            )
        if subspace is not None and (styles != "all" or sensitivity != "box"):
            raise ValueError(
                "a subspace covers all styles and brings its own bounds; leave styles and sensitivity out"
            )
        if noise != Laplace.name and (scale is not None or clip is not None):
            raise ValueError(
                f"noise {noise!r} takes an epsilon, and clips to no box; leave scale and clip out"
            )
        if noise != Gaussian.name and delta is not None:
            raise ValueError(f"noise {noise!r} has no delta; leave it out")
        if subspace is not None and scale is None and epsilon is None:
            epsilon = SUBSPACE_EPSILON
        self.styles, self.sensitivity_kind, self.clip, self.accept, self.draws = (
            styles,
            sensitivity,
            clip,
            accept,
            draws,
        )
        codes, style_dim = self.model.latent_shape
        self.codes = tuple(range(codes)) if styles == "all" else self.model.identity_codes
        self.nominal_epsilon = epsilon
        self.subspace: InSubspace | None = None
        self.law: SubspaceLaw | None = None
        self.box: ClipBox | None = None
        if subspace is not None:
            self.subspace = InSubspace(
                subspace_of(self.model, subspace), self.model, residual or RESIDUALS[0]
            )
            self.box = self.subspace.space.box(SUBSPACE_CLIP if clip is None else clip)
            if noise != Laplace.name and epsilon is not None:
                self.law = subspace_law(noise, self.subspace.space, epsilon, delta=delta)
        elif sensitivity == "box":
            self.box = self.model.box if clip is None else self.model.quantiles(clip)
        self.sensitivity = self._sensitivity(style_dim)
        if epsilon is not None:
            self.mechanism = Laplace.calibrate(self.sensitivity, epsilon)
        else:
            self.mechanism = Laplace(DEFAULT_SCALE if scale is None else scale)
        self.release = mechanisms.ExactRelease(self.mechanism)
        self._test_checked = accept == ANYTHING or draws != UNTIL_ACCEPTED

    @property
    def model_digest(self) -> str:
        """SHA-256 over the networks, and over the subspace or the bounds of every coordinate if used."""
        if self.subspace is not None:
            return self.subspace.digest
        return self.model.digest if self.clip is None else self.model.digest_with_bounds

    @property
    def scale(self) -> float:
        """Scale of the noise, Delta f / epsilon in the paper."""
        return self.mechanism.scale

    def _sensitivity(self, style_dim: int) -> Sensitivity:
        perturbed = len(self.codes) * style_dim
        if self.box is None:
            if self.sensitivity_kind == "metric":
                return Sensitivity(0.0, "l1", perturbed, source="none: latents are not clipped")  # type: ignore[arg-type]
            return self.model.bounds().observed_sensitivity(self.styles, perturbed)
        if self.subspace is not None:
            return self.box.l1_sensitivity()
        if isinstance(self.box.lower, float):
            return self.box.l1_sensitivity(perturbed)
        rows = list(self.codes)
        return ClipBox(
            self.box.lower[rows], torch.as_tensor(self.box.upper)[rows], self.box.source
        ).l1_sensitivity()

    # Features, noise, reconstruction

    def protect(self, images: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """New images Y = G(f(X) + N) of crops ([DPI] Eqs. 8 to 10).

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: source of simulated noise; exact noise from the operating system where None.

        Raises:
            ValueError: the images do not fit the model, or the error of `protect_latents`.
        """
        self.model.check(images)
        return self.protect_latents(self.model.encode(images), rng=rng)

    def protect_latents(self, latents: Tensor, *, rng: torch.Generator | None = None) -> Release:
        """New images from latents of photos: `protect` without the encoding.

        Args:
            latents: (B, K, D), not clipped.
            rng: source of simulated noise; exact noise from the operating system where None.

        Raises:
            ValueError: the latents do not fit the model; or with unlimited draws, the acceptance test passes
                none of 24 public faces under this noise.
        """
        self.model.check_latents(latents)
        features = self._clipped(latents)
        if self.accept == ANYTHING:
            noisy = self._noisy(features, rng)
            return Release(self.model.synthesize(noisy), noisy, self.guarantee(simulated=rng is not None))
        self._require_that_it_ends()
        drawn = [self._draw(row[None], rng) for row in features]
        pictures, shown = (torch.cat(parts) for parts in zip(*drawn, strict=True))
        return Release(pictures, shown, self.guarantee(simulated=rng is not None))

    def reconstruct(self, images: Tensor) -> Tensor:
        """Crops encoded and synthesised without noise, hence unprotected.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: the images do not fit the model.
        """
        self.model.check(images)
        return self.model.synthesize(self.model.encode(images))

    def _clipped(self, latents: Tensor) -> Tensor:
        features = latents.clone() if self.subspace is None else self.subspace.coordinates(latents)
        if self.law is not None:
            return self.law.clip(features)
        return features if self.box is None else self.box.clip(features)

    def _noisy(self, features: Tensor, rng: torch.Generator | None) -> Tensor:
        if self.subspace is not None:
            return self.subspace.latents(self._noisy_coordinates(features, rng), rng=rng)
        noisy, codes = features.clone(), list(self.codes)
        block = features[:, codes]
        noisy[:, codes] = self.release(block) if rng is None else self.mechanism(block, rng=rng)
        return noisy

    def _noisy_coordinates(self, features: Tensor, rng: torch.Generator | None) -> Tensor:
        """Noisy coordinates, clipped again so that they still give a face."""
        if self.law is not None:
            return self.law.noisy(features, rng=rng)
        assert self.box is not None
        return self.box.clip(self.release(features) if rng is None else self.mechanism(features, rng=rng))

    def _draw(self, features: Tensor, rng: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """First accepted image and its latents; the last of a limited number of draws if none is accepted."""
        done = 0
        while True:
            noisy = self._noisy(features, rng)
            picture = self.model.synthesize(noisy)
            done += 1
            if done == self.draws or ACCEPTANCE[self.accept](picture[0]):
                return picture, noisy

    def _require_that_it_ends(self) -> None:
        """Refuse endless drawing: some public faces must pass the test under this noise; uses no photo."""
        if self._test_checked:
            return
        rng = torch.Generator().manual_seed(0)
        pictures = self.model.synthesize(
            self._noisy(self._clipped(self.model.public_latents(_TRIALS, rng)), rng)
        )
        if not any(map(ACCEPTANCE[self.accept], pictures)):
            raise ValueError(
                f"the test {self.accept!r} accepts none of {_TRIALS} public faces under noise of scale "
                f"{self.scale:g}; use less noise, or limit the draws"
            )
        self._test_checked = True

    # Guarantee

    def guarantee(self, *, simulated: bool = False) -> Guarantee:
        """Guarantee for each photo alone.

        Args:
            simulated: the noise comes from a seeded stream and not from the operating system.
        """
        rests_on = (FACE_FOUND, PUBLIC_MODEL)
        if self.law is not None:
            claim = self.law.guarantee(simulated=simulated, assumptions=rests_on)
        else:
            claim = (self.mechanism if simulated else self.release).guarantee(
                self.sensitivity, assumptions=rests_on
            )
        claim = claim.about(Coverage.of_codes(self.model.digest, self.codes, self.model.latent_shape[0]))
        if self.box is None:
            claim = replace(
                claim,
                assumptions=tuple(a for a in claim.assumptions if not a.startswith("records are clipped")),
            )
        if self.sensitivity_kind == "metric":
            claim = replace(
                claim, epsilon=None, reason="latents are not clipped, so photos may lie any distance apart"
            )
        if claim.metric is not None:
            space = "the latents" if self.box is None else "the clipped latents"
            space = space if self.subspace is None else "the clipped coordinates"
            claim = replace(claim, metric=MetricForm(claim.metric.rate, claim.metric.norm, space))
        claim = until_accepted(claim) if self.draws == UNTIL_ACCEPTED else best_of(claim, self.draws)
        return post_process(claim, GENERATOR)

    def certificate(self, release: Release) -> Certificate:
        """Certificate of a release from `protect`.

        Args:
            release: result of `protect` of this object.
        """
        simulated = release.guarantee.basis == Basis.SIMULATION
        name = Laplace.name if self.law is None else self.law.name
        noise: dict[str, Any] = {
            "scale": self.scale,
            "grid_step": None if simulated else self.release.step,
            "bounds": None if self.box is None else bounds_of(self.box),
            "sensitivity": None if self.sensitivity_kind == "metric" else self.sensitivity,
        }
        bounds_hash = (
            self.model.bounds().digest
            if self.clip is not None or self.sensitivity_kind == "observed"
            else None
        )
        if self.subspace is not None:
            bounds_hash = self.subspace.space.digest
        return Certificate(
            release=ReleaseKind.IMAGE,
            method=self.name,
            protection=name,
            guarantee=release.guarantee,
            images=len(release),
            model=self.model.name,
            model_hash=self.model.digest,
            bounds_hash=bounds_hash,
            perceptual=self.model.perceptual,
            mechanism=name,
            calibration=f"{self.sensitivity_kind}-sensitivity"
            if self.sensitivity_kind != "metric"
            else "metric",
            nominal_epsilon=self.nominal_epsilon,
            **(noise if self.law is None else self.law.certificate_fields(simulated=simulated)),
            private_codes=self.codes if self.model.semantic else None,
            caveats=() if len(self.codes) == self.model.latent_shape[0] else (Caveat.CODES_IN_CLEAR,),
        )


def bounds_of(box: ClipBox) -> Bounds:
    """Bounds of a clip box for a certificate: lowest lower and highest upper bound of all coordinates.

    Args:
        box: the clip box.
    """
    lower, upper = (torch.as_tensor(bound, dtype=torch.float64) for bound in (box.lower, box.upper))
    return Bounds(float(lower.min()), float(upper.max()), box.source, per_coordinate=lower.ndim > 0)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"{name} has no choice {value!r}{suggest(value, choices)}; allowed: {', '.join(choices)}"
        )
