# SPDX-License-Identifier: Apache-2.0
"""Each method says as values what its claim covers and what it leaves in clear."""

from dataclasses import replace

import pytest
import torch

from semveil.bulk.pictures import AROUND, only_the_face
from semveil.methods.baselines import DPSVD, Blur, DPPix, Mosaic, PixelNoise
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.methods.noise_image import NoiseImage
from semveil.models.face import load_model
from semveil.models.identity import IdentityModel
from semveil.models.noise_image import NoiseImageModel
from semveil.privacy.certificate import Certificate
from semveil.privacy.composition import compose
from semveil.privacy.coverage import Kind, Part
from semveil.privacy.guarantee import Guarantee, post_process

LATENT, IDENTITY = LatentModel.example(), IdentityModel.example()
CODES = Part(Kind.CODES, LATENT.digest, (0, 1, 2), 3)
CROP = Part(Kind.CROP)


def claims() -> dict[str, tuple[Guarantee, tuple[Part, ...], tuple[Part, ...]]]:
    black = torch.zeros(1, 3, 16, 16)
    identity, attributes = (
        Part(Kind.IDENTITY, IDENTITY.digest, size=4),
        Part(Kind.ATTRIBUTES, IDENTITY.digest),
    )
    first, others = replace(CODES, codes=(0,)), replace(CODES, codes=(1, 2))
    vectors = Part(Kind.SINGULAR_VECTORS)
    return {
        "latent-dp": (LatentDP(LATENT).guarantee(), (CODES,), ()),
        "latent-dp, gallery": (LatentDP(LATENT, mechanism="exponential").guarantee(), (CODES,), ()),
        "latent-dp, clipping": (LatentDP(LATENT, mechanism="none").guarantee(), (CODES,), ()),
        "dp-image": (DPImage(LATENT).guarantee(), (CODES,), ()),
        "dp-image, identity": (DPImage(LATENT, styles="identity").guarantee(), (first,), (others,)),
        "identity-dp": (IdentityDP(IDENTITY).guarantee(), (identity,), (attributes,)),
        "identity-dp, coarse": (
            IdentityDP(IDENTITY, attribute_side=2).guarantee(),
            (identity,),
            (attributes,),
        ),
        "noise-image": (NoiseImage(NoiseImageModel.example()).guarantee(), (Part(Kind.PICTURE),), ()),
        "noise-image, noise": (
            NoiseImage(NoiseImageModel.example(), epsilon=1.0).guarantee(),
            (Part(Kind.PICTURE),),
            (),
        ),
        "blur": (Blur().protect(black).guarantee, (CROP,), ()),
        "mosaic": (Mosaic().protect(black).guarantee, (CROP,), ()),
        "pixel-noise": (PixelNoise().protect(black).guarantee, (CROP,), ()),
        "dp-pix": (DPPix(block=8).protect(black).guarantee, (CROP,), ()),
        "dp-svd": (DPSVD(rank=2).protect(black).guarantee, (Part(Kind.SINGULAR_VALUES, size=2),), (vectors,)),
    }


@pytest.mark.parametrize("name", list(claims()))
def test_what_is_covered_and_what_is_not_are_values(name: str) -> None:
    claim, covered, clear = claims()[name]
    assert (claim.coverage.covered, claim.coverage.clear) == (covered, clear)
    assert (claim.covers, claim.not_covered) == (claim.coverage.words, claim.coverage.clear_words)
    made = Certificate(release="image", method="m", protection="p", guarantee=claim)
    assert Certificate.from_json(made.to_json()).guarantee == claim


def test_dp_semcom_names_its_codes(tiny_model_folder) -> None:
    model = load_model(str(tiny_model_folder))
    skin = DPSemCom(model, protection="laplace", private_codes=(0, 1, 4, 5), epsilon=1.0).guarantee()
    eyes = DPSemCom(model, protection="laplace", private_codes=(0, 1, 6, 7), epsilon=1.0).guarantee()
    assert skin.coverage.covered == (Part(Kind.CODES, model.digest, (0, 1, 4, 5), 28),)
    assert set(skin.coverage.clear[0].codes) == set(range(28)) - {0, 1, 4, 5}
    assert compose(skin, eyes).epsilon is None and compose(skin, skin).epsilon == pytest.approx(2.0)
    assert DPSemCom(model, protection="rotation").guarantee().coverage.clear == ()
    nothing = DPSemCom(model, protection="none").guarantee().coverage
    assert (nothing.covered, nothing.clear) == ((Part(Kind.NOTHING),), (Part(Kind.PHOTO),))


def test_what_is_pasted_back_of_a_crop_is_its_face() -> None:
    claim = post_process(
        only_the_face(DPPix(block=8).protect(torch.zeros(1, 3, 16, 16)).guarantee), "x", also_reads=AROUND
    )
    assert [part.kind for part in claim.coverage.covered] == [
        Kind.FACE
    ] and "loss is at most 0.5" in claim.covers
    assert claim.coverage.clear == AROUND
    codes = post_process(only_the_face(LatentDP(LATENT).guarantee()), "x", also_reads=AROUND)
    assert codes.coverage.covered == (CODES,)


@pytest.mark.parametrize("method", [DPSemCom, NoiseImage, PixelNoise], ids=lambda kind: kind.name)
def test_gaussian_claims_keep_sensitivity_and_sigma(method, tiny_model_folder) -> None:
    if method is DPSemCom:
        made = DPSemCom(
            load_model(str(tiny_model_folder)), protection="gaussian", private_codes=range(28), epsilon=1.0
        )
        law, distance, claim = made.protector.mechanism, made.protector.sensitivity, made.guarantee()
    elif method is NoiseImage:
        converting = NoiseImage(NoiseImageModel.example(), epsilon=1.0)
        assert converting.noise is not None
        law, distance, claim = (
            converting.noise.mechanism,
            converting.noise.sensitivity,
            converting.guarantee(),
        )
    else:
        release = PixelNoise(sigma=49.0).protect(torch.zeros(1, 3, 16, 16))
        claim, certificate = release.guarantee, PixelNoise(sigma=49.0).certificate(release)
        assert claim.gaussian is not None
        assert (claim.gaussian.sensitivity, claim.gaussian.sigma) == (
            certificate.sensitivity.value,
            certificate.scale,
        )
        return
    assert claim.gaussian is not None and (claim.gaussian.sensitivity, claim.gaussian.sigma) == (
        distance.value,
        law.sigma,
    )
