# SPDX-License-Identifier: Apache-2.0
"""Models and methods on another device or in another precision: what they make lies there, and the numbers
stay.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from pretend_device import DEVICE, Pretended, pretended
from torch import Tensor

from semveil.core.device import DeviceError
from semveil.encoders.attributes import AttributeEncoder, AttributeEncoderConfig
from semveil.faces.pixels import to_pixels
from semveil.generators.aad_fusion import FusionConfig, FusionGenerator
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import from_face_model
from semveil.methods.messages import to_message
from semveil.methods.noise_image import NoiseImage, classify
from semveil.methods.registry import image_methods, load_method
from semveil.models.face import FaceModel, load_model
from semveil.models.identity import _of_networks
from semveil.models.noise_image import NoiseImageModel
from semveil.protection.linear_pair import LinearPair
from semveil.recognition.identity_encoder import IdentityEncoder, IdentityEncoderConfig


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> FaceModel:
    return load_model(str(tiny_model_folder))


@pytest.fixture
def there() -> Iterator[torch.device]:
    with pretended() as device:
        yield device


def photos(size: int) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 1.6 - 0.8


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def fresh_identity_model() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        recogniser = IdentityEncoder(
            IdentityEncoderConfig(
                size=32, top=8, left=8, side=16, widths=(4, 4, 4, 4), blocks=(1, 1, 1), dimensions=6
            )
        )
        encoder = AttributeEncoder(AttributeEncoderConfig(32, (8, 8)))
        fusion = FusionGenerator(FusionConfig(6, encoder.config.channels, (8, 8, 8), encoder.config.sides[0]))
    networks = [network.eval().requires_grad_(False) for network in (recogniser, encoder, fusion)]
    return _of_networks("fresh", "0" * 64, *networks, {})  # type: ignore[arg-type]


METHODS: dict[str, Callable[[FaceModel], Any]] = {
    "dp-image": lambda model: DPImage(from_face_model(model), scale=0.5),
    "dp-image, best of two": lambda model: DPImage(
        from_face_model(model), scale=0.5, styles="identity", clip=10.0
    ),
    "latent-dp": lambda model: LatentDP(from_face_model(model), epsilon=100.0),
    "latent-dp, exponential": lambda model: LatentDP(
        from_face_model(model), mechanism="exponential", gallery=8
    ),
    "identity-dp": lambda model: IdentityDP(fresh_identity_model()),
    "noise-image": lambda model: NoiseImage(NoiseImageModel.example()),
    "noise-image, private": lambda model: NoiseImage(NoiseImageModel.example(), epsilon=20.0),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("seeded", [True, False])
def test_a_method_makes_pictures_where_its_networks_are(
    name: str, seeded: bool, model: FaceModel, there: torch.device
) -> None:
    here = METHODS[name](model)
    away = here.to(there)
    assert away is not here
    made = away.protect(photos(here.size), rng=rng() if seeded else None)
    assert isinstance(made.images, Pretended) and made.images.device == there
    if seeded:
        torch.testing.assert_close(
            made.images.cpu(), here.protect(photos(here.size), rng=rng()).images, atol=1e-4, rtol=0
        )
    assert to_pixels(made.images).shape == (2, here.size, here.size, 3)
    assert away.certificate(made).to_json() and away.model_digest == here.model_digest


@pytest.mark.parametrize("name", METHODS)
def test_a_method_in_double_precision_is_the_same_method(name: str, model: FaceModel) -> None:
    here = METHODS[name](model)
    exact = here.to(dtype=torch.float64).protect(photos(here.size), rng=rng()).images
    assert exact.dtype == torch.float64
    torch.testing.assert_close(
        exact.float(), here.protect(photos(here.size), rng=rng()).images, atol=1e-3, rtol=0
    )
    with pytest.raises(ValueError, match="float16"):
        here.to(dtype=torch.float16)


def trained(model: FaceModel) -> LinearPair:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return LinearPair(pair_settings(model)).eval().requires_grad_(False)


@pytest.mark.parametrize("protection", ["nn", "rotation", "modulo", "laplace", "none"])
def test_the_link_runs_where_its_networks_are(protection: str, model: FaceModel, there: torch.device) -> None:
    here = DPSemCom(model, protection=protection, pair=trained(model) if protection == "nn" else None)
    away = here.to(there)
    codes = model.public_latents(2, rng=rng())
    sent = away.send_codes(codes)
    assert sent.symbols.device == there
    message = to_message(away, sent)
    assert message.pair_hash == to_message(here, here.send_codes(codes)).pair_hash
    received = away.receive(sent)
    assert received.device == there
    if protection != "laplace":  # whose noise is new each time
        torch.testing.assert_close(received.cpu(), here.receive(here.send_codes(codes)), atol=1e-3, rtol=0)
    result = away.transmit(photos(model.size), run=5)
    assert {getattr(result, name).device for name in ("source", "inverted", "direct", "bob", "eve")} == {
        there
    }


def test_a_model_moves_as_a_copy_and_draws_the_same_faces(model: FaceModel, there: torch.device) -> None:
    away = model.to(there)
    assert (away.device, model.device.type, away.digest) == (there, "cpu", model.digest)
    assert away.to(there) is away and model.to() is model
    torch.testing.assert_close(away.public_latents(3, rng=rng()).cpu(), model.public_latents(3, rng=rng()))
    torch.testing.assert_close(
        away.random_faces(3, rng=rng()).cpu(), model.random_faces(3, rng=rng()), atol=1e-5, rtol=0
    )
    assert away.with_measured_box().box.lower == model.with_measured_box().box.lower


def test_the_service_answers_where_its_networks_are(there: torch.device) -> None:
    here = NoiseImageModel.example()
    pictures = photos(here.size)
    assert classify(here.to(there), pictures).names == classify(here, pictures).names


def test_every_method_has_the_call_and_a_device_by_name(model: FaceModel) -> None:
    assert [name for name, kind in image_methods().items() if not hasattr(kind, "to")] == []
    blur = load_method("blur", device="cpu")
    assert blur.to("cpu", torch.float64) is blur
    with pytest.raises(DeviceError, match="no device 'cuda:42'"):
        load_method("blur", device="cuda:42")
    assert DEVICE.type == "meta"
