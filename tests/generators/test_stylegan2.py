# SPDX-License-Identifier: Apache-2.0
"""StyleGAN2 computes what the public implementation computes, and controls that plausible mistakes fail."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from reference import slow_stylegan2
from reference.parity import Fixture
from reference.slow_stylegan import upfirdn
from reference.stylegan2_states import generator_state
from torch import Tensor

from semveil.generators import StyleGAN2, StyleGAN2Config
from semveil.nn import strips

LIMIT = 5e-5  # stated with the stored outputs
GOLDEN = Path(__file__).parent / "golden" / "stylegan2_small.npz"
CONFIG: dict[str, Any] = {"size": 128, "style_dim": 12, "n_mlp": 2}
WIDTHS = {4: 9, 8: 9, 16: 9, 32: 8, 64: 8, 128: 4}


def outputs(model: StyleGAN2, fixture: Fixture) -> dict[str, Tensor]:
    """Everything that the fixture stores, from its inputs."""
    z, codes = fixture.inputs["z"], model.config.codes
    found = {"w": model.map(z), "rgb": model.synthesize(fixture.inputs["wplus"])}
    if "mix_rgb" in fixture.outputs:
        w = found["w"].unsqueeze(1)
        pulled = (
            model.map(z, truncation=0.6, mean=fixture.inputs["mean_w"]).unsqueeze(1).expand(-1, codes, -1)
        )
        found["z_trunc_latent"], found["z_trunc_rgb"] = pulled, model.synthesize(pulled)
        found["mix_rgb"] = model.synthesize(
            torch.cat([w[:1].expand(-1, 4, -1), w[1:].expand(-1, codes - 4, -1)], 1)
        )
    assert found.keys() == fixture.outputs.keys()
    return found


def errors(model: StyleGAN2, fixture: Fixture) -> dict[str, float]:
    with torch.inference_mode():
        return {name: fixture.error(name, output) for name, output in outputs(model, fixture).items()}


@pytest.fixture(scope="module")
def small() -> Fixture:
    return Fixture(GOLDEN)


def test_small_generator(small: Fixture) -> None:
    assert small.worst_fill() < 1e-5
    found = errors(StyleGAN2.from_official(small.state, small.config), small)
    assert max(found.values()) < LIMIT, found


def test_small_generator_with_gradients(small: Fixture) -> None:
    model = StyleGAN2.from_official(small.state)
    assert small.error("rgb", model.synthesize(small.inputs["wplus"])) < LIMIT


def test_all_stored_samples(shared: Path) -> None:
    fixture = Fixture(shared / "parity" / "stylegan2_small.npz")
    found = errors(StyleGAN2.from_official(fixture.state, fixture.config), fixture)
    assert max(found.values()) < LIMIT, found


def test_published_size(shared: Path, tmp_path: Path) -> None:
    fixture = Fixture(shared / "parity" / "stylegan2_1024.npz")
    torch.save(
        {"g_ema": fixture.state, "latent_avg": fixture.inputs["mean_w"]},
        tmp_path / "stylegan2-ffhq-config-f.pt",
    )
    model = StyleGAN2.from_official(tmp_path / "stylegan2-ffhq-config-f.pt")
    widths = (512, 512, 512, 512, 512, 256, 128, 64, 32)
    assert model.config == StyleGAN2Config(widths=widths)
    assert tuple(map(StyleGAN2Config().channels, StyleGAN2Config().sides)) == widths
    assert torch.equal(model.mean_style, fixture.inputs["mean_w"])
    found = errors(model, fixture)
    assert max(found.values()) < LIMIT, found


def swap_rgb_padding(model: StyleGAN2, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("semveil.generators.stylegan2.upsample", lambda x: upfirdn(x, up=2, pad=(1, 2), gain=4))


def forget_pixel_norm(model: StyleGAN2, patch: pytest.MonkeyPatch) -> None:
    patch.setattr("semveil.generators.stylegan2.pixel_norm", lambda z: z)


def give_each_layer_its_own_code(model: StyleGAN2, patch: pytest.MonkeyPatch) -> None:
    """As if a projection's code were not the next convolution's."""
    original = model._double
    patch.setattr(
        model, "_double", lambda stage, x, codes, noise: original(stage, x, codes[:, [0, 1, 1]], noise)
    )


def forget_noise(model: StyleGAN2, patch: pytest.MonkeyPatch) -> None:
    for i in range(model.config.codes - 1):
        model.get_buffer(f"noise_{i}").zero_()


def mirror_the_up_kernels(model: StyleGAN2, patch: pytest.MonkeyPatch) -> None:
    for conv in model.up_convs:
        conv.weight.data = conv.weight.data.flip(2, 3)


@pytest.mark.parametrize(
    ("mistake", "output"),
    [
        (swap_rgb_padding, "rgb"),
        (forget_pixel_norm, "w"),
        (give_each_layer_its_own_code, "rgb"),
        (forget_noise, "rgb"),
        (mirror_the_up_kernels, "rgb"),
    ],
)
def test_plausible_mistakes_fail_the_same_comparison(
    mistake: Callable[[StyleGAN2, pytest.MonkeyPatch], None],
    output: str,
    small: Fixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = StyleGAN2.from_official(small.state, small.config)
    mistake(model, monkeypatch)
    assert errors(model, small)[output] > 1000 * LIMIT


@pytest.fixture
def state() -> dict[str, Tensor]:
    return generator_state(CONFIG, WIDTHS)


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize(("size", "style_dim", "layers"), [(8, 5, 1), (32, 12, 3), (128, 7, 2)])
def test_any_size_equals_the_slow_equations_in_float64(
    size: int, style_dim: int, layers: int, grad: bool
) -> None:
    config = {"size": size, "style_dim": style_dim, "n_mlp": layers}
    state = {key: value.double() for key, value in generator_state(config, WIDTHS, salt=3).items()}
    rng = torch.Generator().manual_seed(4)
    torch.set_default_dtype(torch.float64)
    try:
        model = StyleGAN2.from_official(state, config)
    finally:
        torch.set_default_dtype(torch.float32)
    z = torch.randn(3, style_dim, generator=rng, dtype=torch.float64)
    codes = torch.randn(3, model.config.codes, style_dim, generator=rng, dtype=torch.float64)
    drawn = model.draw_noise(3, rng=rng)
    with torch.set_grad_enabled(grad):
        for noise in (None, drawn):
            own, theirs = model.synthesize(codes, noise=noise), slow_stylegan2.synthesize(state, codes, noise)
            torch.testing.assert_close(own, theirs, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(model.map(z), slow_stylegan2.mapping(state, z), rtol=1e-9, atol=1e-9)


def test_strips_give_what_the_whole_gives(state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    model = StyleGAN2.from_official(state)
    rng = torch.Generator().manual_seed(0)
    codes, drawn = torch.randn(3, model.config.codes, 12, generator=rng), model.draw_noise(3, rng=rng)
    whole = [model.synthesize(codes).detach(), model.synthesize(codes, noise=drawn).detach()]
    monkeypatch.setattr(strips, "STRIP", 1)
    with torch.inference_mode():
        pieces = [model.synthesize(codes), model.synthesize(codes, noise=drawn)]
    for own, expected in zip(pieces, whole, strict=True):
        torch.testing.assert_close(own, expected, rtol=0, atol=2e-5)
    assert (whole[0] - whole[1]).abs().max() > 0.1


def test_gradient_of_the_codes_is_that_of_finite_differences() -> None:
    config = {"size": 8, "style_dim": 3, "n_mlp": 1}
    torch.set_default_dtype(torch.float64)
    try:
        model = StyleGAN2.from_official(
            {k: v.double() for k, v in generator_state(config, {4: 3, 8: 2}).items()}
        )
    finally:
        torch.set_default_dtype(torch.float32)
    codes = torch.randn(
        2, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True
    )
    assert torch.autograd.gradcheck(lambda c: model.synthesize(c)[:, :, ::3, ::3], (codes,))


def test_equal_codes_give_equal_images_whatever_the_batch(state: dict[str, Tensor]) -> None:
    model = StyleGAN2.from_official(state)
    codes = torch.randn(4, model.config.codes, 12, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        together, alone = model.synthesize(codes), torch.cat([model.synthesize(c[None]) for c in codes])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_half_precision_stays_near_single(state: dict[str, Tensor]) -> None:
    model = StyleGAN2.from_official(state)
    codes = torch.randn(2, model.config.codes, 12, generator=torch.Generator().manual_seed(2))
    single = model.synthesize(codes)
    with torch.autocast("cpu", torch.bfloat16):
        half = model.synthesize(codes)
    assert half.dtype == torch.float32
    assert 0 < (half - single).square().mean().sqrt() < 0.03 * single.square().mean().sqrt()


def test_truncation_uses_the_models_own_mean(state: dict[str, Tensor]) -> None:
    model = StyleGAN2.from_official({"g_ema": state, "latent_avg": torch.full((12,), 2.0)})
    z = torch.randn(2, 12, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(model.map(z, truncation=0.25), 1.5 + 0.25 * model.map(z))
    assert (model.map(z, truncation=0.0) == 2).all()


def test_wrong_input_is_named(state: dict[str, Tensor]) -> None:
    model = StyleGAN2.from_official(state)
    with pytest.raises(ValueError, match=r"latents must be \(B, 12, 12\), got \(1, 18, 12\)"):
        model.synthesize(torch.zeros(1, 18, 12))
    with pytest.raises(ValueError, match="give 11 noise maps, got 2"):
        model.synthesize(torch.zeros(1, 12, 12), noise=[torch.zeros(1, 1, 4, 4)] * 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 48}, "power of two of at least 8, got 48"),
        ({"size": 4}, "got 4"),
        ({"style_dim": 0}, "style_dim must be at least 1"),
        ({"size": 16, "widths": (4, 4)}, "3 widths, got 2"),
        ({"channel_multiplier": 1 / 64}, "leaves no channel at 1024 px"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StyleGAN2Config(**settings)


def test_settings_survive_json() -> None:
    config = StyleGAN2Config(size=16, widths=(4, 3, 2))
    assert StyleGAN2Config.from_dict(config.as_dict() | {"widths": [4, 3, 2]}) == config
    with pytest.raises(ValueError, match="unknown generator settings: depth"):
        StyleGAN2Config.from_dict({"depth": 1})
