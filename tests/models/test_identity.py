# SPDX-License-Identifier: Apache-2.0
"""Identity models: written, read back, and refused where files do not fit together."""

import json
from pathlib import Path

import pytest
import torch
from skimage import data

from semveil.core.checkpoints import BadCheckpoint
from semveil.data.align import align_face
from semveil.encoders.attributes import AttributeEncoder, AttributeEncoderConfig, coarsened
from semveil.faces.pixels import to_tensor
from semveil.generators.aad_fusion import FusionConfig, FusionGenerator
from semveil.metrics import psnr
from semveil.models.identity import (
    CARD,
    IdentityModel,
    identity_model_folders,
    load_identity_model,
    save_identity_model,
)
from semveil.recognition.dlib_faces import detect_faces
from semveil.recognition.identity_encoder import (
    FILE,
    IdentityEncoder,
    IdentityEncoderConfig,
    save_identity_encoder,
)

SIZES = IdentityEncoderConfig(
    size=16, top=0, left=0, side=16, widths=(4, 4, 4, 4), blocks=(1, 1, 1), dimensions=6
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with random weights."""
    torch.manual_seed(0)
    save_identity_encoder(tmp_path / "identity.safetensors", IdentityEncoder(SIZES), {})
    attributes = AttributeEncoder(AttributeEncoderConfig(16, (4, 6)))
    fusion = FusionGenerator(
        FusionConfig(6, attributes.config.channels, (6, 4, 4), attributes.config.sides[0])
    )
    made = tmp_path / "mine"
    save_identity_model(
        made, tmp_path / "identity.safetensors", attributes, fusion, {"trained_on": "nothing"}
    )
    return made


def images(count: int = 3, size: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_a_model_is_read_back(folder: Path) -> None:
    model = load_identity_model(str(folder))
    assert (model.name, model.size, model.dim, len(model.digest)) == ("mine", 16, 6, 64)
    identity = model.identify(images())
    torch.testing.assert_close(identity.norm(dim=1), torch.ones(3))
    levels = model.attributes(images())
    assert [level.shape[-1] for level in levels] == [4, 8, 16]
    made = model.fuse(identity, levels)
    assert made.shape == (3, 3, 16, 16)
    assert made.abs().max() <= 1
    assert not made.requires_grad


def test_a_large_batch_gives_what_its_parts_give(folder: Path) -> None:
    model = load_identity_model(str(folder))
    many = images(70)
    whole = model.fuse(model.identify(many), model.attributes(many))
    last = model.fuse(model.identify(many[66:]), model.attributes(many[66:]))
    torch.testing.assert_close(whole[66:], last)


def test_identity_and_attributes_both_count(folder: Path) -> None:
    model = load_identity_model(str(folder))
    identity, levels = model.identify(images()), model.attributes(images())
    made = model.fuse(identity, levels)
    assert not torch.allclose(made, model.fuse(identity.roll(1, 0), levels))
    assert not torch.allclose(made, model.fuse(identity, [level.roll(1, 0) for level in levels]))


def test_wrong_names_files_and_images_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="a model's folder"):
        load_identity_model("no-such-model")
    with pytest.raises(ValueError, match=r"takes images \(B, 3, 16, 16\)"):
        load_identity_model(str(folder)).check(images(size=8))
    (folder / "fusion.safetensors").write_bytes(b"damaged")
    load_identity_model.cache_clear()
    with pytest.raises(BadCheckpoint):
        load_identity_model(str(folder))


def test_networks_of_other_sizes_do_not_fit(folder: Path) -> None:
    other = IdentityEncoder(IdentityEncoderConfig(**{**vars(SIZES), "dimensions": 5}))
    save_identity_encoder(folder / FILE, other, {})
    load_identity_model.cache_clear()
    with pytest.raises(BadCheckpoint, match="differ in sizes"):
        load_identity_model(str(folder))


def test_the_digest_follows_every_file(folder: Path) -> None:
    before = load_identity_model(str(folder)).digest
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | {"trained_on": "something"}))
    load_identity_model.cache_clear()
    assert load_identity_model(str(folder)).digest == before
    save_identity_encoder(folder / FILE, IdentityEncoder(SIZES), {})
    load_identity_model.cache_clear()
    assert load_identity_model(str(folder)).digest != before


def test_the_example_needs_no_weights() -> None:
    model = IdentityModel.example()
    photos = images(size=4)
    assert model.fuse(model.identify(photos), model.attributes(photos)).shape == photos.shape


def test_coarsened_images_keep_means_and_nothing_finer() -> None:
    photo = images(1)
    coarse = coarsened(photo, 1)
    torch.testing.assert_close(coarse, photo.mean((2, 3), keepdim=True).expand_as(photo))
    torch.testing.assert_close(coarsened(photo, 16), photo)
    with pytest.raises(ValueError, match="must divide 16"):
        coarsened(photo, 5)


def test_the_bundled_model_keeps_the_photo_and_changes_the_person() -> None:
    photo = data.astronaut()
    face = to_tensor([align_face(photo, detect_faces(photo)[0].landmarks, 128).pixels])
    model = load_identity_model()
    own, levels = model.identify(face), model.attributes(face)
    strangers = torch.nn.functional.normalize(
        torch.randn(8, model.dim, generator=torch.Generator().manual_seed(0)), dim=1
    )
    rebuilt, changed = (
        model.fuse(own, levels),
        model.fuse(strangers, [level.expand(8, -1, -1, -1) for level in levels]),
    )
    assert psnr(rebuilt, face) > 24
    assert psnr(changed, face.expand_as(changed)).mean() > 22
    kept, left = (model.identify(rebuilt) @ own[0]).item(), (model.identify(changed) @ own[0]).mean().item()
    assert kept > 0.467 > left  # the verifier's threshold
    assert sum(file.stat().st_size for file in identity_model_folders()["identity-128"].iterdir()) <= 21e6


def test_identities_of_any_length_are_shown() -> None:
    """Each layer multiplies by them: from a length of about 10,000 on the bundled model's floats overflowed
    to NaN.
    """
    model = load_identity_model()
    identity = torch.nn.functional.normalize(
        torch.randn(2, model.dim, generator=torch.Generator().manual_seed(0)), dim=1
    )
    levels = model.attributes(torch.zeros(2, 3, model.size, model.size))
    longest = model.fuse(1000 * identity, levels)
    for length in (1e4, 1e8, 1e15):
        torch.testing.assert_close(model.fuse(length * identity, levels), longest)
    assert not torch.equal(model.fuse(100 * identity, levels), longest)
