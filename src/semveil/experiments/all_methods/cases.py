# SPDX-License-Identifier: Apache-2.0
"""Cases of the privacy-utility comparison: all methods and baselines at the same whole-crop budgets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.core.rng import streams
from semveil.mechanisms import Gaussian
from semveil.methods.baselines import DPSVD, LEVELS, Blur, DPPix, Mosaic, PixelNoise
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import from_face_model
from semveil.methods.noise_image import NoiseImage
from semveil.methods.shared_key import SharedKey
from semveil.models.face import FaceModel
from semveil.models.identity import IdentityModel
from semveil.privacy.guarantee import Guarantee

SNR_DB = 20.0
DP_PIX_CELLS, MOSAIC_CELLS = 8, 8  # along a side
BLUR_SHARE = 16  # the blur's standard deviation is the side over this


@dataclass(frozen=True, eq=False)
class Photos:
    """Photos with their latents.

    Attributes:
        images: (N, 3, S, S) in [-1, 1], at the face model's size.
        codes: (N, K, D) latents of the photos, not clipped.
    """

    images: Tensor
    codes: Tensor


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        method: such as `dp-image`.
        setting: setting of the method, in words.
        asked: requested epsilon; None if the method takes none.
        guarantee: guarantee of a release; None if the images are not releases.
        make: (photos, seed) -> images (N, 3, S, S) in [-1, 1], with simulated noise.
    """

    method: str
    setting: str
    asked: float | None
    guarantee: Guarantee | None
    make: Callable[[Photos, int], Tensor]

    @property
    def name(self) -> str:
        """Name of the case in results.

        Example:
            >>> Case("blur", "sigma 4", None, None, lambda photos, seed: photos.images).name
            'blur, sigma 4'
        """
        name = f"{self.method}, {self.setting}"
        return name if self.asked is None else f"{name}, epsilon {self.asked:g}"


def all_cases(
    face: FaceModel,
    identity: IdentityModel,
    *,
    epsilons: tuple[float, ...],
    ranks: tuple[int, ...],
    gallery: int,
) -> list[Case]:
    """Return every method, without noise and at every budget.

    Args:
        face: a semantic face model.
        identity: model of identity-dp.
        epsilons: budgets of the whole crop, or of the part that a method covers.
        ranks: ranks of subspaces; mechanisms that are tried at one rank use the first.
        gallery: size of the gallery of the mechanism `nearest`.
    """
    cases = [*_without_noise(face, identity, ranks), *_keyed(face), *_baselines_without(face.size)]
    for epsilon in epsilons:
        cases += _semantic(face, epsilon)
        cases += _latent(face, epsilon, ranks, gallery)
        cases += _identity(face, identity, epsilon)
        cases.append(_of_crops("noise on the converted picture", epsilon, NoiseImage(epsilon=epsilon)))
        cases += _baselines(face.size, epsilon)
    return cases


def _without_noise(face: FaceModel, identity: IdentityModel, ranks: tuple[int, ...]) -> list[Case]:
    latent = from_face_model(face)
    clipped = partial(LatentDP, latent, mechanism="none", clip=10.0)

    def inverted(photos: Photos, seed: int) -> Tensor:
        return latent.synthesize(photos.codes)

    def rebuilt(photos: Photos, seed: int) -> Tensor:
        crops = resized(photos.images, identity.size)
        parts = [
            identity.fuse(identity.identify(part), identity.attributes(part)) for part in crops.split(64)
        ]
        return resized(torch.cat(parts), face.size)

    return [
        Case("photo", "as it is", None, None, lambda photos, seed: photos.images),
        Case("inversion", "without noise", None, None, inverted),
        Case("identity-dp", "without noise", None, None, rebuilt),
        *(_of_latents(f"subspace {rank} without noise", None, clipped(subspace=rank)) for rank in ranks),
    ]


def _keyed(face: FaceModel) -> list[Case]:
    method = DPSemCom(face, protection="rotation", key=SharedKey.fresh())
    claim = method.guarantee()
    return [
        Case("dp-semcom", "rotation, Bob with the key", None, None, partial(_transmitted, method, "bob")),
        Case("dp-semcom", "rotation, Eve", None, claim, partial(_transmitted, method, "eve")),
    ]


def _semantic(face: FaceModel, epsilon: float) -> list[Case]:
    every = tuple(range(face.latent_shape[0]))
    method = DPSemCom(
        face, protection="laplace", private_codes=every, epsilon=epsilon, calibration="corrected"
    )
    bob = partial(_transmitted, method, "bob")
    return [Case("dp-semcom", "noise on all codes", epsilon, method.guarantee(), bob)]


def _latent(face: FaceModel, epsilon: float, ranks: tuple[int, ...], gallery: int) -> list[Case]:
    latent, first = from_face_model(face), ranks[0]
    image, clipped = partial(DPImage, latent, epsilon=epsilon), partial(LatentDP, latent, epsilon=epsilon)
    methods: list[tuple[str, DPImage | LatentDP]] = [
        ("all latents", image()),
        ("all latents", clipped()),
        ("gallery", clipped(mechanism="exponential")),
        (f"subspace {first}", image(subspace=first)),
        (f"subspace {first}, gaussian", image(subspace=first, noise="gaussian")),
        (f"subspace {first}", clipped(subspace=first)),
    ]
    for rank in ranks:
        nearest = clipped(subspace=rank, mechanism="nearest", gallery=gallery)
        methods.append((f"subspace {rank}, privunit-g", image(subspace=rank, noise="privunit-g")))
        methods.append((f"subspace {rank}, nearest of {gallery:,}", nearest))
    return [_of_latents(setting, epsilon, method) for setting, method in methods]


def _identity(face: FaceModel, model: IdentityModel, epsilon: float) -> list[Case]:
    whole = IdentityDP(model, epsilon=epsilon / 2, attribute_epsilon=epsilon / 2)
    chooser = LatentDP(from_face_model(face), epsilon=epsilon / 2, mechanism="exponential")

    def make(photos: Photos, seed: int) -> Tensor:
        """Protect as `IdentityDP` does, but from given latents, to avoid inverting every photo again."""
        run = streams(seed)
        chosen = chooser.protect_latents(photos.codes, rng=run["attributes"]).images.clamp(-1, 1)
        identities = whole.perturb(model.identify(resized(photos.images, model.size)), rng=run["dp"])
        return resized(
            model.fuse(identities, model.attributes(resized(chosen, model.size))).clamp(-1, 1), face.size
        )

    return [
        _of_crops("identity alone", epsilon, IdentityDP(model, epsilon=epsilon)),
        Case("identity-dp", "attributes too, half each", epsilon, whole.guarantee(), make),
    ]


def _baselines_without(size: int) -> list[Case]:
    blur, mosaic = Blur(sigma=size / BLUR_SHARE, size=size), Mosaic(block=size // MOSAIC_CELLS, size=size)
    return [
        _of_crops(f"sigma {size / BLUR_SHARE:g} of {size} px", None, blur),
        _of_crops(f"cells of {size // MOSAIC_CELLS} of {size} px", None, mosaic),
    ]


def _baselines(size: int, epsilon: float) -> list[Case]:
    """Baselines with noise for a budget of the whole crop, which is not how they are used in practice."""
    cell = size // DP_PIX_CELLS
    pix = DPPix(epsilon=epsilon * 16 / size**2, block=cell, neighbourhood=16, size=size)
    sigma = Gaussian.calibrate(LEVELS.l2_sensitivity(3 * size**2), epsilon).sigma
    unit = DPSVD(scale=1.0, size=size).protect(torch.zeros(1, 3, size, size)).guarantee.epsilon
    assert unit is not None
    return [
        _of_crops(f"cells of {cell} px", epsilon, pix),
        _of_crops("on every pixel", epsilon, PixelNoise(sigma=sigma, size=size)),
        _of_crops("on singular values alone", epsilon, DPSVD(scale=unit / epsilon, size=size)),
    ]


def _of_latents(setting: str, asked: float | None, method: DPImage | LatentDP) -> Case:
    def make(photos: Photos, seed: int) -> Tensor:
        return method.protect_latents(photos.codes, rng=streams(seed)["dp"]).images

    return Case(method.name, setting, asked, method.guarantee(), make)


def _of_crops(setting: str, asked: float | None, method: Any) -> Case:
    """Case of a method with its own crop size; photos are resized to it and results are resized back."""

    def make(photos: Photos, seed: int) -> Tensor:
        rng = streams(seed)["dp"]
        crops = resized(photos.images, method.size)
        shown = torch.cat([method.protect(part, rng=rng).images.clamp(-1, 1) for part in crops.split(64)])
        return resized(shown, photos.images.shape[-1])

    if hasattr(method, "guarantee"):
        claim = method.guarantee()
    else:
        claim = method.protect(torch.zeros(1, 3, method.size, method.size)).guarantee
    return Case(method.name, setting, asked, claim, make)


def _transmitted(method: DPSemCom, party: str, photos: Photos, seed: int) -> Tensor:
    parts = []
    both = zip(photos.images.split(64), photos.codes.split(64), strict=True)
    for number, (images, codes) in enumerate(both):
        heard = method.transmit(images, snr_db=SNR_DB, codes=codes, run=seed + number)
        parts.append(getattr(heard, party))
    return torch.cat(parts)


def resized(images: Tensor, side: int) -> Tensor:
    """Resize images bicubically, with antialiasing; those of the right size are returned as they are.

    Args:
        images: (N, 3, S, S) in [-1, 1].
        side: new side in pixels.
    """
    if images.shape[-1] == side:
        return images
    return F.interpolate(images, size=(side, side), mode="bicubic", antialias=True).clamp(-1, 1)
