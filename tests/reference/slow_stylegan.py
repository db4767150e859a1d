# SPDX-License-Identifier: Apache-2.0
"""SemanticStyleGAN and its discriminator, slowly: straight from the equations, one part after the other, in
float64.

Works on official state dicts, so that it shares neither layout nor code with the package.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

State = Mapping[str, Tensor]


def upfirdn(x: Tensor, *, up: int = 1, down: int = 1, pad: tuple[int, int], gain: float = 1.0) -> Tensor:
    """Insert zeros, pad (before, after) on both axes, correlate with outer([1, 3, 3, 1]) / 64 * gain, keep
    every `down`th.
    """
    batch, channels, height, width = x.shape
    spread = x.new_zeros(batch, channels, height, up, width, up)
    spread[:, :, :, 0, :, 0] = x
    spread = F.pad(spread.reshape(batch, channels, height * up, width * up), (*pad, *pad))
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 8
    rows = sum(taps[i] * spread[:, :, i : spread.shape[2] - 3 + i] for i in range(4))
    out = sum(taps[i] * rows[..., i : rows.shape[3] - 3 + i] for i in range(4))
    return out[:, :, ::down, ::down] * gain


def activate(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, 0.2 * x) * math.sqrt(2)


def mapping(state: State, z: Tensor) -> Tensor:
    """z -> w: pixel norm, then layers stored with a learning rate multiplier of 0.01."""
    w = z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()
    for i in range(1, 1 + sum(key.startswith("style.") and key.endswith(".weight") for key in state)):
        weight = state[f"style.{i}.weight"] * 0.01 / math.sqrt(w.shape[1])
        w = activate(w @ weight.T + state[f"style.{i}.bias"] * 0.01)
    return w


def position(state: State, size: int, coarse: int) -> Tensor:
    """Position features (1, C, h, w)."""
    line = torch.linspace(-1, 1, coarse, dtype=torch.float64)
    x, y = line.expand(coarse, coarse), line.unsqueeze(1).expand(coarse, coarse)
    waves = [x, y]
    for k in range(int(math.log2(size))):
        waves += [torch.sin(2**k * x), torch.sin(2**k * y), torch.cos(2**k * x), torch.cos(2**k * y)]
    weight = state["pos_embed.weights"] / math.sqrt(len(waves))
    return F.conv2d(torch.stack(waves).unsqueeze(0), weight)


def modulated(state: State, prefix: str, x: Tensor, style: Tensor) -> Tensor:
    """One demodulated 1x1 layer of a local generator."""
    scale = style @ (state[f"{prefix}.conv.modulation.weight"] / math.sqrt(style.shape[1])).T
    scale = scale + state[f"{prefix}.conv.modulation.bias"]
    weight = state[f"{prefix}.conv.weight"][0, :, :, 0, 0] / math.sqrt(x.shape[1])
    out = []
    for own, features in zip(scale, x, strict=True):
        modulation = weight * own
        modulation = modulation / (modulation.square().sum(1, keepdim=True) + 1e-8).sqrt()
        out.append(torch.einsum("oi,ihw->ohw", modulation, features))
    return activate(torch.stack(out) + state[f"{prefix}.activate.bias"].view(-1, 1, 1))


def projected(state: State, prefix: str, x: Tensor) -> Tensor:
    """Fixed-style 1x1 convolution without demodulation."""
    weight = state[f"{prefix}.conv.weight"] * state[f"{prefix}.conv.modulation"] / math.sqrt(x.shape[1])
    return F.conv2d(x, weight) + state[f"{prefix}.bias"]


def synthesize(
    state: State, config: Mapping[str, Any], codes: Tensor, *, keep: Tensor | None = None, noise: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Codes (B, 28, D) -> images, masks, coarse masks, depths."""
    state = {key: value.double() for key, value in state.items()}
    codes = codes.double()
    base, parts = config["base_layers"], config["seg_dim"]
    start = position(state, config["size"], config["coarse_size"])
    features, depths = [], []
    for part in range(parts):
        x = start.expand(len(codes), -1, -1, -1)
        for layer in range(config["local_layers"]):
            shared = layer < base and part > 0
            code = layer if shared else base + 2 * part + (layer >= config["depth_layers"])
            x = modulated(state, f"local_nets.{part}.linears.{layer}", x, codes[:, code])
            if layer == config["depth_layers"] - 1:
                depths.append(
                    projected(state, f"local_nets.{part}.to_depth", x) if part else torch.zeros_like(x[:, :1])
                )
        features.append(projected(state, f"local_nets.{part}.to_feat", x))
    depth = torch.cat(depths, 1)
    masks = depth.exp() / depth.exp().sum(1, keepdim=True)
    if keep is not None:
        masks = masks * keep.double()[:, :, None, None]
        masks = masks / (masks.sum(1, keepdim=True) + 1e-8)
    transparent = list(config["transparent_dims"])
    opaque = [part for part in range(parts) if part not in transparent]
    total = masks[:, opaque].sum(1, keepdim=True) + 1e-8
    feature = sum(
        features[p] * masks[:, p : p + 1] / (1 if p in transparent else total) for p in range(parts)
    )
    coarse = 2 * masks - 1
    images, refined = render(state, config, feature, coarse, noise=noise)
    return images, refined, coarse, depth


def render(
    state: State, config: Mapping[str, Any], feature: Tensor, coarse: Tensor, *, noise: bool
) -> tuple[Tensor, Tensor]:
    pool = config["coarse_size"] // config["min_feat_size"]
    x = F.avg_pool2d(feature, pool)
    images = masks = None
    for stage in range(int(math.log2(config["size"] // config["min_feat_size"]))):
        if stage and x.shape[-1] == config["coarse_size"]:
            x = torch.cat([x, feature], 1)
        for index in (2 * stage, 2 * stage + 1):
            prefix = f"render_net.convs.{index}"
            weight = state[f"{prefix}.weight"] * state[f"{prefix}.modulation"] / math.sqrt(x.shape[1] * 9)
            weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
            if index % 2 == 0:
                x = upfirdn(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), pad=(1, 1), gain=4)
            else:
                x = F.conv2d(x, weight, padding=1)
            if noise:
                x = x + state[f"{prefix}.noise.weight"] * state[f"render_net.noises.noise_{index}"]
            x = activate(x + state[f"{prefix}.activate.bias"].view(-1, 1, 1))
        image = projected(state, f"render_net.to_rgbs.{stage}", x)
        mask = projected(state, f"render_net.to_segs.{stage}", x)
        if images is not None and masks is not None:
            image = image + upfirdn(images, up=2, pad=(2, 1), gain=4)
            mask = mask + upfirdn(masks, up=2, pad=(2, 1), gain=4)
        if config["residual_refine"] and x.shape[-1] == config["coarse_size"]:
            mask = mask + coarse
        images, masks = image, mask
    assert images is not None and masks is not None
    return images, masks


def conv(state: State, key: str, x: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
    weight = state[f"{key}.weight"]
    return F.conv2d(x, weight / math.sqrt(math.prod(weight.shape[1:])), stride=stride, padding=padding)


def discriminate(state: State, images: Tensor, masks: Tensor | None) -> Tensor:
    """Scores (B, 1) of the dual-branch discriminator."""
    state = {key: value.double() for key, value in state.items()}
    x = _branch(state, "convs_img", images.double())
    if masks is not None:
        x = x + _branch(state, "convs_seg", masks.double())
    x = torch.cat([x, deviation(x)], 1)
    x = activate(
        conv(state, "final_conv.0", x, padding=1) + state["final_conv.1.bias"].view(-1, 1, 1)
    ).flatten(1)
    x = activate(
        x @ (state["final_linear.0.weight"] / math.sqrt(x.shape[1])).T + state["final_linear.0.bias"]
    )
    return x @ (state["final_linear.1.weight"] / math.sqrt(x.shape[1])).T + state["final_linear.1.bias"]


def deviation(x: Tensor, group: int = 4) -> Tensor:
    """Channel (B, 1, H, W): each sample's group is i, i + B / size, ...; the mean over its values of the std
    in the group.
    """
    batch = len(x)
    size = min(batch, group)
    step = batch // size
    own: Sequence[Tensor] = [
        (x[i % step :: step].var(0, correction=0) + 1e-8).sqrt().mean().expand(1, *x.shape[2:])
        for i in range(batch)
    ]
    return torch.stack(list(own))


def _branch(state: State, prefix: str, x: Tensor) -> Tensor:
    x = activate(conv(state, f"{prefix}.0.0", x) + state[f"{prefix}.0.1.bias"].view(-1, 1, 1))
    i = 1
    while f"{prefix}.{i}.conv1.0.weight" in state:
        block = f"{prefix}.{i}"
        y = activate(
            conv(state, f"{block}.conv1.0", x, padding=1) + state[f"{block}.conv1.1.bias"].view(-1, 1, 1)
        )
        y = conv(state, f"{block}.conv2.1", upfirdn(y, pad=(2, 2)), stride=2)
        y = activate(y + state[f"{block}.conv2.2.bias"].view(-1, 1, 1))
        x = (y + conv(state, f"{block}.skip.1", upfirdn(x, pad=(1, 1), down=2))) / math.sqrt(2)
        i += 1
    return x
