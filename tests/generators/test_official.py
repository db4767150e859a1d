# SPDX-License-Identifier: Apache-2.0
"""Official files load completely and safely, or not at all."""

import os
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from reference.parity import fill
from reference.slow_stylegan import synthesize
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.generators.official import load_discriminator, load_semantic_stylegan
from semveil.generators.semantic_stylegan import SemanticStyleGAN

CONFIG: dict[str, Any] = {
    "size": 128, "latent": 12, "n_mlp": 2, "channel_multiplier": 1 / 16, "seg_dim": 13, "local_layers": 5,
    "base_layers": 1,
    "depth_layers": 3, "local_channel": 8, "coarse_channel": 8, "coarse_size": 64, "min_feat_size": 32,
    "residual_refine": True, "transparent_dims": (10, 12),
}  # fmt: skip
KERNEL = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def official_shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the official state dict, written from its description."""
    d, c, f = config["latent"], config["local_channel"], config["coarse_channel"]
    waves = 2 * (2 * (config["size"].bit_length() - 1) + 1)
    shapes: dict[str, tuple[int, ...]] = {"pos_embed.weights": (c, waves, 1, 1)}

    def projection(prefix: str, inputs: int, outputs: int) -> None:
        shapes[f"{prefix}.bias"] = (1, outputs, 1, 1)
        shapes[f"{prefix}.upsample.kernel"] = (4, 4)
        shapes[f"{prefix}.conv.weight"] = (outputs, inputs, 1, 1)
        shapes[f"{prefix}.conv.modulation"] = (1, inputs, 1, 1)

    for part in range(13):
        for layer in range(config["local_layers"]):
            linear = f"local_nets.{part}.linears.{layer}"
            shapes[f"{linear}.conv.weight"] = (1, c, c, 1, 1)
            shapes[f"{linear}.conv.modulation.weight"] = (c, d)
            shapes[f"{linear}.conv.modulation.bias"] = shapes[f"{linear}.activate.bias"] = (c,)
        projection(f"local_nets.{part}.to_feat", c, f)
        if part:
            projection(f"local_nets.{part}.to_depth", c, 1)
    width, side, stage = f, config["min_feat_size"], 0
    while side < config["size"]:
        width += f if stage and side == config["coarse_size"] else 0
        side *= 2
        outputs = 512 if side <= 32 else int(256 * config["channel_multiplier"]) * 64 // side
        for index, inputs in ((2 * stage, width), (2 * stage + 1, outputs)):
            prefix = f"render_net.convs.{index}"
            shapes[f"{prefix}.weight"] = (outputs, inputs, 3, 3)
            shapes[f"{prefix}.modulation"] = (1, inputs, 1, 1)
            shapes[f"{prefix}.noise.weight"] = (1,)
            shapes[f"{prefix}.activate.bias"] = (outputs,)
            shapes[f"render_net.noises.noise_{index}"] = (1, 1, side, side)
        shapes[f"render_net.convs.{2 * stage}.blur.kernel"] = (4, 4)
        projection(f"render_net.to_rgbs.{stage}", outputs, 3)
        projection(f"render_net.to_segs.{stage}", outputs, 13)
        width, stage = outputs, stage + 1
    for i in range(1, config["n_mlp"] + 1):
        shapes |= {f"style.{i}.weight": (d, d), f"style.{i}.bias": (d,)}
    return shapes


def official_state(config: dict[str, Any], salt: int = 1) -> dict[str, Tensor]:
    shapes = official_shapes(config)
    kernels = {key: 4 * KERNEL for key in shapes if key.endswith("kernel")}
    return fill(shapes, salt) | kernels


@pytest.fixture
def state() -> dict[str, Tensor]:
    return official_state(CONFIG)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"residual_refine": False},
        {"transparent_dims": []},
        {"transparent_dims": [2, 5, 7], "base_layers": 3, "depth_layers": 4, "local_layers": 6},
        {"coarse_size": 32},
        {"coarse_size": 128, "n_mlp": 1, "latent": 5, "local_channel": 4},
        {"size": 64, "channel_multiplier": 1 / 32},
    ],
    ids=str,
)
def test_any_configuration_equals_the_slow_equations_in_float64(change: dict[str, Any]) -> None:
    config = CONFIG | change
    state = {key: value.double() for key, value in official_state(config, salt=3).items()}
    rng = torch.Generator().manual_seed(4)
    codes = torch.randn(2, config["base_layers"] + 26, config["latent"], generator=rng, dtype=torch.float64)
    keep = torch.rand(2, 13, generator=rng) > 0.3
    torch.set_default_dtype(torch.float64)
    try:
        model = load_semantic_stylegan(state, config)
    finally:
        torch.set_default_dtype(torch.float32)
    for arguments in ({}, {"keep": keep, "noise": False}):
        with torch.no_grad():
            out = model.synthesize_with_masks(
                codes, keep_parts=arguments.get("keep"), noise=arguments.get("noise", True)
            )
        expected = synthesize(state, config, codes, **arguments)
        for own, theirs in zip((out.images, out.masks, out.coarse_masks, out.depths), expected, strict=True):
            torch.testing.assert_close(own, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("multiplier", [1, 2, 3])
def test_official_widths(multiplier: int) -> None:
    config = CONFIG | {"min_feat_size": 16, "channel_multiplier": multiplier}
    model = load_semantic_stylegan(official_state(config), config)
    assert [model.config.channels(side) for side in (32, 64, 128)] == [
        512,
        256 * multiplier,
        128 * multiplier,
    ]


def test_a_training_file_gives_its_average_and_its_settings(state: dict[str, Tensor], tmp_path: Path) -> None:
    broken = {key: value * 0 for key, value in state.items()}
    args = Namespace(**CONFIG, iter=800000, batch=8, detach_texture=False, dataset="d", transparent=None)
    torch.save(
        {"g": broken, "g_ema": state, "args": args, "g_optim": {"state": {}, "param_groups": []}},
        tmp_path / "x.pt",
    )
    model = load_semantic_stylegan(tmp_path / "x.pt")
    assert model.config.style_dim == 12 and model.config.transparent_parts == (10, 12)
    codes = torch.randn(1, 27, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(
            model.synthesize(codes), SemanticStyleGAN.from_official(state, CONFIG).synthesize(codes)
        )


def test_filters_may_be_absent_but_not_others(state: dict[str, Tensor]) -> None:
    load_semantic_stylegan({key: value for key, value in state.items() if not key.endswith("kernel")}, CONFIG)
    state["render_net.convs.0.blur.kernel"] = torch.ones(4, 4)
    with pytest.raises(BadCheckpoint, match=r"render_net\.convs\.0\.blur\.kernel is another filter"):
        load_semantic_stylegan(state, CONFIG)


def test_a_missing_key_of_any_kind_is_named(state: dict[str, Tensor]) -> None:
    one_of_each_kind = {re.sub(r"\d+", "", key): key for key in state if not key.endswith("kernel")}
    assert len(one_of_each_kind) > 20
    for key in one_of_each_kind.values():
        with pytest.raises(BadCheckpoint, match=f"missing {re.escape(key)}$"):
            load_semantic_stylegan({k: v for k, v in state.items() if k != key}, CONFIG)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("local_nets.13.to_feat.bias", torch.zeros(1), r"unknown local_nets\.13\.to_feat\.bias"),
        ("style.1.bias", torch.zeros(13), r"style\.1\.bias is \(13,\), expected \(12,\)"),
        ("local_nets.0.to_depth.bias", torch.zeros(1, 1, 1, 1), r"unknown local_nets\.0\.to_depth\.bias"),
        ("pos_embed.weights", torch.full((8, 30, 1, 1), torch.nan), r"pos_embed\.weights holds NaN"),
        (
            "render_net.noises.noise_0",
            torch.full((1, 1, 64, 64), torch.inf),
            r"noise_0 holds NaN or infinite",
        ),
        ("style.2.weight", "text", r"style\.2\.weight is a str"),
        (
            "style.2.weight",
            torch.zeros(12, 12, dtype=torch.int64),
            r"style\.2\.weight is a Tensor, expected floating",
        ),
    ],
)
def test_a_wrong_key_is_named(key: str, value: object, message: str, state: dict[str, Tensor]) -> None:
    with pytest.raises(BadCheckpoint, match=message):
        load_semantic_stylegan({**state, key: value}, CONFIG)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 60}, {"size": "large"}, {"seg_dim": 19}, {"channel_multiplier": None},
        {"transparent_dims": [10, 13]},
        {"transparent_dims": 3}, {"n_mlp": [8]}, {"min_feat_size": 256}, {"depth_layers": 9}, {"latent": 0},
    ],
    ids=str,
)  # fmt: skip
def test_settings_that_describe_no_generator_are_refused(
    change: dict[str, Any], state: dict[str, Tensor]
) -> None:
    with pytest.raises(BadCheckpoint):
        load_semantic_stylegan(state, CONFIG | change)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    torch.save({"d": {}, "args": Namespace()}, tmp_path / "x.pt")
    with pytest.raises(
        BadCheckpoint, match=r"x\.pt is no official checkpoint: it holds no weights under 'g_ema'"
    ):
        load_semantic_stylegan(tmp_path / "x.pt")
    with pytest.raises(BadCheckpoint, match=r"no weight file .*y\.pt"):
        load_semantic_stylegan(tmp_path / "y.pt")
    with pytest.raises(BadCheckpoint, match=r"missing style\.1\.weight"):
        load_semantic_stylegan({}, CONFIG)
    with pytest.raises(BadCheckpoint, match="missing convs_img"):
        load_discriminator({}, {"img_size": 64})


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_malicious_pickles_are_refused_and_not_run(state: dict[str, Tensor], tmp_path: Path) -> None:
    marker, path = tmp_path / "was_run", tmp_path / "x.pt"
    for content in (
        {"g_ema": state, "args": Malicious(marker)},
        {"g_ema": state, "args": Namespace(size=Malicious(marker))},
    ):
        torch.save(content, path)
        for load in (load_semantic_stylegan, load_discriminator):
            with pytest.raises(BadCheckpoint, match="holds more than weights"):
                load(path)
        assert not marker.exists()


def test_loading_leaves_the_global_random_stream_alone(state: dict[str, Tensor]) -> None:
    before = torch.random.get_rng_state()
    load_semantic_stylegan(state, CONFIG)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize("noise", [True, False])
def test_strips_give_what_the_whole_gives(
    noise: bool, state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_semantic_stylegan(state, CONFIG)
    codes = torch.randn(2, 27, 12, generator=torch.Generator().manual_seed(0))
    whole = model.synthesize_with_masks(codes, noise=noise)
    monkeypatch.setattr("semveil.nn.strips.STRIP", 1)
    monkeypatch.setattr("semveil.generators.semantic_stylegan.CHUNK", 1)
    with torch.inference_mode():
        pieces = model.synthesize_with_masks(codes, noise=noise)
    for name in ("images", "masks", "coarse_masks", "depths"):
        torch.testing.assert_close(getattr(pieces, name), getattr(whole, name).detach(), rtol=0, atol=2e-5)
