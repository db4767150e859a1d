# SPDX-License-Identifier: Apache-2.0
"""The compact identity encoder: what it sees, what it gives, its file."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from semveil.core.checkpoints import BadCheckpoint
from semveil.recognition import BundledVerifier
from semveil.recognition.identity_encoder import (
    IdentityEncoder,
    IdentityEncoderConfig,
    identity_encoder_digest,
    identity_encoder_file,
    load_identity_encoder,
    save_identity_encoder,
)

TINY = IdentityEncoderConfig(
    size=16, top=4, left=2, side=8, widths=(4, 4, 6, 8), blocks=(1, 1, 1), dimensions=5
)


@pytest.fixture
def encoder() -> IdentityEncoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return IdentityEncoder(TINY).eval().requires_grad_(False)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_vectors_have_unit_length_and_gradients_reach_the_images(
    encoder: IdentityEncoder, images: torch.Tensor
) -> None:
    images.requires_grad_()
    vectors = encoder(images)
    assert vectors.shape == (3, 5) and torch.allclose(vectors.norm(dim=1), torch.ones(3))
    (gradient,) = torch.autograd.grad((vectors[0] - vectors[1]).square().sum(), images)
    assert gradient[:2].abs().sum() > 0 and (gradient[2] == 0).all()


def test_it_looks_at_its_square_only(encoder: IdentityEncoder, images: torch.Tensor) -> None:
    around = images.clone()
    around[:, :, :4], around[:, :, 12:], around[:, :, :, :2], around[:, :, :, 10:] = 0, 0, 0, 0
    assert torch.equal(encoder(around), encoder(images))
    around[:, :, 11, 9] += 0.5
    assert not torch.allclose(encoder(around), encoder(images))


def test_a_stem_of_stride_2_makes_of_twice_the_size_as_many_features(encoder: IdentityEncoder) -> None:
    large = IdentityEncoder(replace(TINY, size=32, top=8, left=4, side=16, stem=2)).eval()
    assert [p.shape for p in large.parameters()] == [p.shape for p in encoder.parameters()]
    assert large(torch.zeros(1, 3, 32, 32)).shape == (1, 5)


def test_other_sizes_are_refused(encoder: IdentityEncoder) -> None:
    with pytest.raises(ValueError, match=r"takes images \(B, 3, 16, 16\), got \(1, 3, 32, 32\)"):
        encoder(torch.zeros(1, 3, 32, 32))


def test_a_file_gives_the_same_network(
    encoder: IdentityEncoder, images: torch.Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "identity.safetensors"
    save_identity_encoder(path, encoder, {"teacher": "none"})
    loaded = load_identity_encoder(path)
    assert (
        loaded.config == TINY
        and not any(p.requires_grad for p in loaded.parameters())
        and not loaded.training
    )
    assert torch.allclose(loaded(images), encoder(images), atol=5e-3)  # stored in half precision
    assert len(identity_encoder_digest(path)) == 64


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="no weight file"):
        load_identity_encoder(tmp_path / "absent.safetensors")
    save_file({"weight": torch.zeros(1)}, tmp_path / "plain.safetensors")
    with pytest.raises(BadCheckpoint, match="does not say the sizes"):
        load_identity_encoder(tmp_path / "plain.safetensors")
    save_file(
        {"weight": torch.zeros(1)}, tmp_path / "other.safetensors", {"config": json.dumps(asdict(TINY))}
    )
    with pytest.raises(BadCheckpoint, match="does not fit: the settings ask for more"):
        load_identity_encoder(tmp_path / "other.safetensors")


def test_the_bundled_encoder_knows_people_again(shared: Path) -> None:
    from semveil.data.pairs import align_portrait

    assert identity_encoder_file().stat().st_size < 7e6
    photos = [("George_W_Bush", 1), ("George_W_Bush", 2), ("Colin_Powell", 1), ("Colin_Powell", 2)]
    images = [align_portrait(shared / "data/lfw" / name / f"{name}_{i:04d}.jpg", 64) for name, i in photos]
    portraits = torch.cat([image for image in images if image is not None])
    verifier = BundledVerifier(threshold=0.0)
    vectors = verifier.embed(portraits)
    cosines = verifier.similarities(vectors, vectors)
    assert vectors.shape == (4, 64)
    assert min(cosines[0, 1], cosines[2, 3]) > 0.2 + cosines[:2, 2:].max()
    assert (verifier.similarity(vectors, verifier.embed(portraits.flip(3))) > 0.8).all()
    larger = torch.nn.functional.interpolate(portraits, scale_factor=2, mode="bilinear")
    assert (verifier.similarity(vectors, verifier.embed(larger)) > 0.8).all()


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"top": 9}, "inside the 16 px image, but it reaches 17 px"),
        ({"left": -1}, "inside"),
        ({"side": 12}, "multiple of 8"),
    ],
)
def test_a_square_that_does_not_fit_is_refused(sizes: dict[str, int], message: str) -> None:
    replace(TINY, top=8, left=8)  # up to the edge
    with pytest.raises(ValueError, match=message):
        replace(TINY, **sizes)
