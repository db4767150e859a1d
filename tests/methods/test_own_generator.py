# SPDX-License-Identifier: Apache-2.0
"""A generator of one's own needs a form and no class of semveil's."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from semveil.channels import MessageError
from semveil.encoders.inversion import InversionSettings
from semveil.mechanisms import ClipBox
from semveil.methods.digital import open_codes, seal_codes
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import from_face_model
from semveil.methods.shared_key import SharedKey
from semveil.models.face import FaceModel, load_model
from semveil.models.prior import LatentPrior

BOX = ClipBox(-2.0, 2.0, source="test")


@dataclass(frozen=True)
class Sizes:
    size: int = 32
    codes: int = 28
    style_dim: int = 4


class Painter(nn.Module):
    """Paints colours from latents; no class of semveil's."""

    semantic = True
    config = Sizes()

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.paint = nn.Linear(28 * 4, 3)
        self.eval().requires_grad_(False)

    def synthesize(self, codes: Tensor) -> Tensor:
        return torch.tanh(self.paint(codes.flatten(1)))[:, :, None, None].expand(-1, -1, 32, 32)

    def map(self, z: Tensor) -> Tensor:
        return z * 0.5


def model() -> FaceModel:
    return FaceModel.of(
        Painter(), box=BOX, name="painter", inversion=InversionSettings(steps=3, learning_rate=0.05)
    )


def test_it_goes_through_the_link() -> None:
    own = model()
    method = DPSemCom(own, protection="rotation")
    images = own.generator.synthesize(own.public_latents(2, rng=torch.Generator().manual_seed(0)))
    result = method.transmit(images, snr_db=200.0, run=1)
    assert torch.allclose(result.bob, result.inverted, atol=1e-3) and not torch.allclose(
        result.eve, result.inverted, atol=1e-3
    )
    assert LatentDP(from_face_model(own), epsilon=5.0).protect(images).guarantee.epsilon == pytest.approx(5.0)


def test_two_generators_have_two_digests() -> None:
    other = Painter()
    other.paint.bias.data += 1e-3
    assert model().digest == model().digest != FaceModel.of(other, box=BOX).digest
    assert model().to(dtype=torch.float64).dtype == torch.float64


def test_the_digest_states_what_bob_must_have_too() -> None:
    """Another prior has other rotations and other tables of the codec; bounds differ in their last digits."""
    latents = torch.randn(50, 28, 4, generator=torch.Generator().manual_seed(0))
    prior = LatentPrior.fit(latents, rank=2)
    wide = torch.full((28, 4), 2.0)
    models = [
        FaceModel.of(Painter(), box=BOX),
        FaceModel.of(Painter(), box=BOX, prior=prior),
        FaceModel.of(Painter(), box=BOX, prior=replace(prior, whitening=0.25)),
        FaceModel.of(Painter(), box=BOX, encoder=nn.Linear(2, 2)),
        FaceModel.of(Painter(), box=ClipBox(-wide, wide)),
        FaceModel.of(Painter(), box=ClipBox(-wide, wide + 1e-6)),
    ]
    assert len({model.digest for model in models}) == len(models)
    key, codes = SharedKey.fresh(), models[1].public_latents(1, rng=torch.Generator().manual_seed(1))
    with pytest.raises(MessageError, match="same weights"):
        open_codes(seal_codes(codes, models[1], key), models[2], key)


def test_what_has_another_form_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(TypeError, match="Linear is no FaceGenerator: it lacks semantic, config, synthesize"):
        FaceModel.of(nn.Linear(2, 2), box=BOX)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="in training mode"):
        FaceModel.of(Painter().train(), box=BOX)
    with pytest.raises(TypeError, match="the box is a ClipBox"):
        FaceModel.of(Painter(), box=(-2.0, 2.0))  # type: ignore[arg-type]

    class Unmapped(Painter):
        map = None  # type: ignore[assignment]

    del Unmapped.map
    bare = type(
        "Bare", (nn.Module,), {k: v for k, v in vars(Painter).items() if k not in ("map", "__init__")}
    )().eval()
    with pytest.raises(ValueError, match="has no mapping network"):
        FaceModel.of(bare, box=BOX)


def test_codes_of_scales_are_refused_by_dp_semcom() -> None:
    scaled = Painter()
    scaled.semantic = False
    with pytest.raises(ValueError, match="those of own belong to scales"):
        DPSemCom(FaceModel.of(scaled, box=BOX))


def test_a_models_folder_is_written_and_read(tiny_model_folder: Path, tmp_path: Path) -> None:
    first = FaceModel.from_folder(tiny_model_folder)
    first.save(tmp_path / "copy")
    again = FaceModel.from_folder(tmp_path / "copy")
    assert again.digest == first.digest == load_model(str(tiny_model_folder)).digest
    codes = first.public_latents(2, rng=torch.Generator().manual_seed(0))
    assert torch.equal(first.generator.synthesize(codes), again.generator.synthesize(codes))
    with pytest.raises(ValueError, match="no model in the folder"):
        FaceModel.from_folder(tmp_path)
    with pytest.raises(ValueError, match="has no encoder to write"):
        model().save(tmp_path / "own")


def test_reprs_are_short(tiny_model_folder: Path) -> None:
    tiny = FaceModel.from_folder(tiny_model_folder)
    assert repr(tiny).startswith("FaceModel('tiny-32', 32 px, latents 28 x 8, digest ")
    method = DPSemCom(tiny, protection="laplace", epsilon=500.0)
    assert (
        repr(method)
        == "DPSemCom('tiny-32', protection='laplace', nominal epsilon 500, 7 of 28 codes private)"
    )
    sent = method.send_codes(tiny.public_latents(2, rng=torch.Generator().manual_seed(0)))
    assert "symbols=<complex64 2 x 112>" in repr(sent) and len(repr(sent)) < 400
    assert repr(LatentDP(from_face_model(tiny), epsilon=3.0)) == "LatentDP('tiny-32', epsilon=3.0)"
