# SPDX-License-Identifier: Apache-2.0
"""How fast is SemanticStyleGAN at 512 px, against the obvious implementation and against what the machine can
do?

    python benchmarks/semantic_stylegan.py --threads 2

Prints JSON. Times are the best of interleaved runs: `wall` seconds, and `cpu` seconds of the process divided
by the number of threads, which other load on the machine inflates less.
"""

import argparse
import json
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.faces.parts import PARTS
from semveil.generators.semantic_stylegan import SemanticStyleGAN, SemanticStyleGANConfig


def flops(config: SemanticStyleGANConfig) -> dict[str, float]:
    """Multiplications and additions of one image when every layer is computed by its definition.

    Args:
        config: sizes of the networks.

    Returns:
        By kind of layer.
    """
    parts, positions, width = len(PARTS), config.coarse_size**2, config.local_channel
    local = 2 * parts * positions * (config.local_layers * width**2 + width)
    compositing = 2 * parts * positions * (width * config.coarse_channel + config.coarse_channel)
    convolutions = filters = projections = 0
    inputs = config.coarse_channel
    for side in config.sides:
        outputs = config.channels(side)
        inputs += config.coarse_channel if side // 2 == config.coarse_size > config.min_feat_size else 0
        convolutions += 2 * 9 * (side // 2) ** 2 * inputs * outputs  # transposed, from the smaller side
        convolutions += 2 * 9 * side**2 * outputs**2
        filters += 2 * 16 * side**2 * outputs + 2 * 4 * side**2 * (3 + parts) * (side > config.sides[0])
        projections += 2 * side**2 * outputs * (3 + parts)
        inputs = outputs
    return {
        "local generators": local,
        "compositing": compositing,
        "3x3 convolutions": convolutions,
        "resampling": filters,
        "projections": projections,
    }


def loop_over_parts(model: SemanticStyleGAN, codes: Tensor) -> tuple[Tensor, Tensor]:
    """The obvious way: one generator after the other, thirteen feature maps, a weighted sum. -> features,
    masks.

    Args:
        model: generator.
        codes: (B, K, D).
    """
    c, local = model.config, model.local_generators
    batch, square = len(codes), (c.coarse_size, c.coarse_size)
    styles = model.expand(codes).unflatten(1, (len(PARTS), c.local_layers))
    start = F.linear(model._waves, model.position_weight / math.sqrt(model.position_weight.shape[1]))
    start = start.T.unflatten(1, square).expand(batch, -1, -1, -1)
    features, depths = [], []
    for part in range(len(PARTS)):
        x = start
        for layer in range(c.local_layers):
            scale = F.linear(
                styles[:, part, layer],
                local.modulation_weight[layer, part] / math.sqrt(c.style_dim),
                local.modulation_bias[layer, part],
            )
            # (B, out, in)
            weight = local.weight[layer, part] / math.sqrt(c.local_channel) * scale.unsqueeze(1)
            weight = weight * torch.rsqrt(weight.square().sum(2, keepdim=True) + 1e-8)
            x = F.conv2d(x.reshape(1, -1, *square), weight.reshape(-1, c.local_channel, 1, 1), groups=batch)
            x = F.leaky_relu(
                x.view(batch, -1, *square) + local.bias[layer, part].view(-1, 1, 1), 0.2
            ) * math.sqrt(2)
            if layer == c.depth_layers - 1:
                if part:
                    direction = (
                        local.depth_weight[part - 1]
                        * local.depth_modulation[part - 1]
                        / math.sqrt(c.local_channel)
                    )
                    depths.append(F.conv2d(x, direction.view(1, -1, 1, 1), local.depth_bias[part - 1 : part]))
                else:
                    depths.append(torch.zeros_like(x[:, :1]))
        weight = local.feature_weight[part] * local.feature_modulation[part] / math.sqrt(c.local_channel)
        features.append(F.conv2d(x, weight[:, :, None, None], local.feature_bias[part]))
    masks = torch.cat(depths, 1).softmax(1)
    weights = model._composition_weights(masks.flatten(2)).unflatten(2, square)
    return (torch.stack(features, 1) * weights.unsqueeze(2)).sum(1), masks


def batched(model: SemanticStyleGAN, codes: Tensor) -> tuple[Tensor, Tensor]:
    """What the package does up to the render network. -> features, masks.

    Args:
        model: generator.
        codes: (B, K, D).
    """
    features, masks, _ = model.composite(codes)
    square = (model.config.coarse_size, model.config.coarse_size)
    return features.unflatten(1, square).permute(0, 3, 1, 2), masks.unflatten(2, square)


def best(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, dict[str, float]]:
    """Best times of each, run in turn after one warm-up.

    Args:
        runs: what is timed, by name.
        repeats: timed rounds, after one to warm up.

    Returns:
        Seconds by name: `wall`, and `cpu` for each thread.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            times[name].append(
                (time.perf_counter() - wall, (time.process_time() - cpu) / torch.get_num_threads())
            )
    return {
        name: {"wall": round(min(w for w, _ in rows[1:]), 4), "cpu": round(min(c for _, c in rows[1:]), 4)}
        for name, rows in times.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rng = torch.Generator().manual_seed(0)
    config = SemanticStyleGANConfig()
    model = SemanticStyleGAN(config).eval()
    codes = torch.randn(1, config.codes, config.style_dim, generator=rng)
    image = torch.randn(1, 256, 128, 128, generator=rng).contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(256, 256, 3, 3, generator=rng).contiguous(memory_format=torch.channels_last)
    matrix = torch.randn(2048, 1024, generator=rng)

    with torch.inference_mode():
        difference = max(
            float((a - b).abs().max() / b.square().mean().sqrt())
            for a, b in zip(batched(model, codes), loop_over_parts(model, codes), strict=True)
        )
        assert difference < 1e-4, f"the two ways disagree by {difference}"
        times = best(
            {
                "conv": lambda: F.conv2d(image, kernel, padding=1),
                "gemm": lambda: matrix @ matrix.T,
                "local generators and compositing": lambda: batched(model, codes),
                "loop over parts": lambda: loop_over_parts(model, codes),
                "whole forward": lambda: model.synthesize(codes),
            },
            arguments.repeats,
        )

    work = flops(config)
    total = sum(work.values())
    per_thread = {
        "conv": 2 * 9 * 256**2 * 128**2 / times["conv"]["cpu"],
        "gemm": 2 * 2048**2 * 1024 / times["gemm"]["cpu"],
    }
    peak = max(per_thread.values()) / arguments.threads  # FLOP per second of one thread
    floor = total / peak / arguments.threads
    print(
        json.dumps(
            {
                "threads": arguments.threads,
                "torch": torch.__version__,
                "seconds": times,
                "GFLOP": {name: round(value / 1e9, 1) for name, value in work.items()}
                | {"total": round(total / 1e9, 1)},
                "GFLOP/s per thread": {
                    name: round(value / arguments.threads / 1e9, 1) for name, value in per_thread.items()
                },
                "floor by definition, s": round(floor, 3),
                "whole forward / floor": round(times["whole forward"]["cpu"] / floor, 3),
                "loop / batched": round(
                    times["loop over parts"]["cpu"] / times["local generators and compositing"]["cpu"], 2
                ),
                "largest difference between the two": difference,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
