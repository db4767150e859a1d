# SPDX-License-Identifier: Apache-2.0
"""Converted StyleGAN2 files load completely and safely, or not at all; the discriminator is the slow
equations'.
"""

import os
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from reference.parity import Fixture
from reference.slow_stylegan import discriminate
from reference.stylegan2_states import discriminator_state, generator_state
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.generators import Discriminator, StyleGAN2
from semveil.generators.stylegan2_official import load_stylegan2, load_stylegan2_discriminator

CONFIG: dict[str, Any] = {"size": 32, "style_dim": 12, "n_mlp": 2}
WIDTHS = {4: 9, 8: 8, 16: 7, 32: 6}


@pytest.fixture
def state() -> dict[str, Tensor]:
    return generator_state(CONFIG, WIDTHS)


def same(a: StyleGAN2, b: StyleGAN2) -> bool:
    own, theirs = a.state_dict(), b.state_dict()
    return own.keys() == theirs.keys() and all(torch.equal(own[key], theirs[key]) for key in own)


def test_sizes_are_read_off_the_weights(state: dict[str, Tensor]) -> None:
    config = load_stylegan2(state).config
    assert (config.size, config.style_dim, config.mapping_layers, config.widths) == (32, 12, 2, (9, 8, 7, 6))


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_official_widths(multiplier: int) -> None:
    widths = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256 * multiplier}
    config = {"size": 64, "style_dim": 4, "n_mlp": 1}
    model = load_stylegan2(generator_state(config, widths), config | {"channel_multiplier": multiplier})
    assert model.config.channels(64) == 256 * multiplier


def test_every_kind_of_file_gives_the_same_network(state: dict[str, Tensor], tmp_path: Path) -> None:
    mean = torch.arange(12.0)
    broken = {key: value * 0 for key, value in state.items()}
    others = {"encoder.body.0.weight": torch.zeros(3)}
    contents: list[dict[str, Any]] = [
        {"g_ema": state, "latent_avg": mean},
        {
            "g": broken,
            "d": {},
            "g_ema": state,
            "g_optim": {},
            "args": Namespace(size=32, iter=1),
            "latent_avg": mean,
        },
        {
            "state_dict": {f"decoder.{k}": v for k, v in state.items()} | others,
            "latent_avg": mean.expand(8, -1),
            "opts": {},
        },
        {f"decoder.{k}": v for k, v in state.items()} | others | {"latent_avg": mean.expand(8, -1)},
        {**state, "latent_avg": mean},
    ]
    expected = load_stylegan2(contents[0])
    assert torch.equal(expected.mean_style, mean)
    for content in contents:
        torch.save(content, tmp_path / "x.pt")
        assert same(StyleGAN2.from_official(tmp_path / "x.pt"), expected)
        assert same(StyleGAN2.from_official(content, CONFIG), expected)


def test_without_a_stored_mean_it_is_estimated(state: dict[str, Tensor]) -> None:
    model = load_stylegan2(state)
    with torch.no_grad():
        w = model.map(torch.randn(40_000, 12, generator=torch.Generator().manual_seed(5)))
    error = w.std(0) * (1 / 40_000 + 1 / 4096) ** 0.5
    assert ((model.mean_style - w.mean(0)).abs() < 5 * error).all()
    assert same(model, load_stylegan2(state))


def test_filters_may_be_absent_but_not_others(state: dict[str, Tensor]) -> None:
    load_stylegan2({key: value for key, value in state.items() if not key.endswith("kernel")})
    with pytest.raises(BadCheckpoint, match=r"to_rgbs\.1\.upsample\.kernel is another filter"):
        load_stylegan2({**state, "to_rgbs.1.upsample.kernel": torch.ones(4, 4)})


def test_a_missing_key_of_any_kind_is_named(state: dict[str, Tensor]) -> None:
    one_of_each_kind = {re.sub(r"\d+", "", key): key for key in state if not key.endswith("kernel")}
    assert len(one_of_each_kind) > 20
    for key in one_of_each_kind.values():
        without = {k: v for k, v in state.items() if k != key}
        with pytest.raises(BadCheckpoint, match=f"missing {re.escape(key)}"):
            load_stylegan2(without, CONFIG)
        with pytest.raises(BadCheckpoint):
            load_stylegan2(without)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("convs.6.conv.weight", torch.zeros(1), r"unknown convs\.6\.conv\.weight"),
        ("style.1.bias", torch.zeros(13), r"style\.1\.bias is \(13,\), expected \(12,\)"),
        ("input.input", torch.full((1, 9, 4, 4), torch.nan), r"input\.input holds NaN"),
        ("style.2.weight", "text", r"style\.2\.weight is a str"),
        (
            "conv1.conv.weight",
            torch.zeros(9, 9, 3, 3),
            r"conv1\.conv\.weight is \(9, 9, 3, 3\), expected \(1, 9, 9, 3, 3\)",
        ),
        ("latent_avg", torch.zeros(13), r"latent_avg .* got \(13,\)"),
        ("latent_avg", torch.full((12,), torch.inf), "latent_avg .* finite"),
    ],
)
def test_a_wrong_key_is_named(key: str, value: object, message: str, state: dict[str, Tensor]) -> None:
    with pytest.raises(BadCheckpoint, match=message):
        load_stylegan2({**state, key: value})


@pytest.mark.parametrize(
    "change",
    [{"size": 64}, {"size": 60}, {"size": "large"}, {"latent": 13}, {"n_mlp": 3}, {"channel_multiplier": 2},
     {"channel_multiplier": None}, {"style_dim": 0}],
    ids=str,
)  # fmt: skip
def test_settings_of_another_network_are_refused(change: dict[str, Any], state: dict[str, Tensor]) -> None:
    with pytest.raises(BadCheckpoint):
        load_stylegan2(state, change)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"d": {}, "args": Namespace()}, tmp_path / "x.pt")
    with pytest.raises(
        BadCheckpoint, match=r"x\.pt is no StyleGAN2 checkpoint: it holds no weights under 'g_ema'"
    ):
        load_stylegan2(tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint, match=r"no weight file .*y\.pt"):
        load_stylegan2(tmp_path / "y.pt")
    with pytest.raises(BadCheckpoint, match=r"missing style\.1\.weight"):
        load_stylegan2({})
    with pytest.raises(BadCheckpoint, match="holds no discriminator"):
        load_stylegan2_discriminator({"g_ema": {}})
    with pytest.raises(BadCheckpoint, match="describe no discriminator: its size would be 4"):
        load_stylegan2_discriminator({})


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_malicious_pickles_are_refused_and_not_run(state: dict[str, Tensor], tmp_path: Path) -> None:
    marker, path = tmp_path / "was_run", tmp_path / "x.pt"
    torch.save({"g_ema": state, "args": Namespace(size=Malicious(marker))}, path)
    for load in (load_stylegan2, load_stylegan2_discriminator):
        with pytest.raises(BadCheckpoint, match="holds more than weights"):
            load(path)
    assert not marker.exists()


def test_loading_leaves_the_global_random_stream_alone(state: dict[str, Tensor]) -> None:
    before = torch.random.get_rng_state()
    load_stylegan2(state)
    load_stylegan2_discriminator(discriminator_state(32, WIDTHS))
    assert torch.equal(before, torch.random.get_rng_state())


def test_discriminator_equals_the_slow_equations() -> None:
    state = discriminator_state(32, WIDTHS)
    model = load_stylegan2_discriminator({"d": state})
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    dual = {key.replace("convs.", "convs_img.", 1): value for key, value in state.items()}
    with torch.inference_mode():
        for count in (1, 4, 8):
            expected = discriminate(dual, images[:count], None)
            torch.testing.assert_close(model(images[:count]).double(), expected, rtol=0, atol=2e-5)


def test_discriminator_gives_the_stored_scores() -> None:
    """The dual-branch discriminator without masks is StyleGAN2's, under other keys."""
    fixture = Fixture(Path(__file__).parent / "golden" / "ssg_disc.npz")
    state = {
        k.replace("convs_img.", "convs.", 1): v
        for k, v in fixture.state.items()
        if not k.startswith("convs_seg.")
    }
    model = load_stylegan2_discriminator(state, {"size": 64, "channel_multiplier": 1})
    with torch.inference_mode():
        assert fixture.error("image_only_batch4", model(fixture.inputs["img"][:4])) < 5e-5


def test_discriminator_with_a_missing_key_is_refused() -> None:
    state = discriminator_state(32, WIDTHS)
    del state["convs.1.skip.1.weight"]
    with pytest.raises(BadCheckpoint, match=r"missing convs\.1\.skip\.1\.weight"):
        load_stylegan2_discriminator(state)


def test_r1_penalty_has_a_gradient() -> None:
    model = Discriminator(16, channel_cap=8)
    images = torch.randn(4, 3, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(images).sum(), images, create_graph=True)
    gradient.square().sum().backward()
    assert all(
        p.grad is not None and p.grad.isfinite().all()
        for name, p in model.named_parameters()
        if name != "score.bias"
    )
