# SPDX-License-Identifier: Apache-2.0
"""The networks compute what the public implementation computes: stored outputs, and controls that plausible
mistakes fail.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from reference.parity import Fixture
from reference.slow_stylegan import upfirdn
from torch import Tensor

from semveil.generators import render_net
from semveil.generators.official import load_discriminator, load_semantic_stylegan
from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig

LIMIT, LIMIT_512 = 5e-5, 2e-4  # stated with the stored outputs
GOLDEN = Path(__file__).parent / "golden"


def outputs(model: SemanticStyleGAN, fixture: Fixture) -> dict[str, Tensor]:
    """Everything that the fixture stores, from its inputs."""
    inputs, codes = fixture.inputs, fixture.inputs["codes"]
    with torch.inference_mode():
        out = model.synthesize_with_masks(codes)
        found = {
            "w": model.map(inputs["z"]),
            "expanded": model.expand(codes),
            "rgb": out.images,
            "seg": out.masks,
            "seg_coarse": out.coarse_masks,
            "depths": out.depths,
        }
        if "masked_rgb" in fixture.outputs:
            w = model.map(inputs["z"][:1], truncation=0.7, mean=inputs["mean_w"])
            truncated = model.synthesize_with_masks(w.unsqueeze(1).expand(-1, model.config.codes, -1))
            masked = model.synthesize_with_masks(codes, keep_parts=inputs["part_mask"] > 0.4)
            found |= {
                "z_trunc_rgb": truncated.images,
                "z_trunc_seg": truncated.masks,
                "masked_rgb": masked.images,
                "masked_seg": masked.masks,
                "zero_noise_rgb": model.synthesize_with_masks(codes, noise=False).images,
                "from_expanded_rgb": model.synthesize(model.expand(codes).roll(1, dims=1)),
            }
    assert found.keys() == fixture.outputs.keys()
    return found


def errors(model: SemanticStyleGAN, fixture: Fixture) -> dict[str, float]:
    return {name: fixture.error(name, output) for name, output in outputs(model, fixture).items()}


@pytest.fixture(scope="module")
def small() -> Fixture:
    return Fixture(GOLDEN / "ssg_small.npz")


def test_the_same_weights_are_drawn_here(small: Fixture) -> None:
    assert small.worst_fill() < 1e-5


def test_small_generator(small: Fixture) -> None:
    found = errors(load_semantic_stylegan(small.state, small.config), small)
    assert max(found.values()) < LIMIT, found


def check_discriminator(fixture: Fixture) -> None:
    model = load_discriminator(fixture.state, fixture.config)
    images, masks = fixture.inputs["img"], fixture.inputs["mask"]
    for name in fixture.outputs:
        count = int(name[-1])
        with torch.inference_mode():
            scores = model(images[:count], None if name.startswith("image_only") else masks[:count])
        assert fixture.error(name, scores) < LIMIT, name


def test_discriminator() -> None:
    check_discriminator(Fixture(GOLDEN / "ssg_disc.npz"))


def test_all_stored_samples(shared: Path) -> None:
    fixture = Fixture(shared / "parity" / "ssg_small.npz")
    found = errors(SemanticStyleGAN.from_official(shared / "parity" / "ssg_small_ckpt.pt"), fixture)
    assert max(found.values()) < LIMIT, found
    check_discriminator(Fixture(shared / "parity" / "ssg_disc.npz"))


def test_published_size(shared: Path) -> None:
    fixture = Fixture(shared / "parity" / "ssg_512.npz")
    model = SemanticStyleGAN.from_official(fixture.state, fixture.config)
    assert model.config == SemanticStyleGANConfig()
    found = errors(model, fixture)
    assert max(found.values()) < LIMIT_512, found


def swap_coordinates(model: SemanticStyleGAN, patch: pytest.MonkeyPatch) -> None:
    side = model.config.coarse_size
    model._waves = model._waves.unflatten(0, (side, side)).transpose(0, 1).flatten(0, 1)


def make_all_parts_opaque(model: SemanticStyleGAN, patch: pytest.MonkeyPatch) -> None:
    model.config = SemanticStyleGANConfig.from_dict(model.config.as_dict() | {"transparent_parts": ()})


def forget_coarse_masks(model: SemanticStyleGAN, patch: pytest.MonkeyPatch) -> None:
    model.render_net.residual_refine = False


def swap_padding(model: SemanticStyleGAN, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(render_net, "upsample", lambda x: upfirdn(x, up=2, pad=(1, 2), gain=4))


def forget_pixel_norm(model: SemanticStyleGAN, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("semveil.generators.semantic_stylegan.pixel_norm", lambda z: z)


@pytest.mark.parametrize(
    ("mistake", "output"),
    [
        (swap_coordinates, "rgb"),
        (make_all_parts_opaque, "rgb"),
        (forget_coarse_masks, "seg"),
        (swap_padding, "rgb"),
        (forget_pixel_norm, "z_trunc_rgb"),
    ],
)
def test_plausible_mistakes_fail_the_same_comparison(
    mistake: Callable[[SemanticStyleGAN, pytest.MonkeyPatch], None],
    output: str,
    small: Fixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = load_semantic_stylegan(small.state, small.config)
    mistake(model, monkeypatch)
    assert errors(model, small)[output] > 1000 * LIMIT
