# SPDX-License-Identifier: Apache-2.0
"""How long do StyleGAN2, its gradient, and pSp's encoder take, and in how much memory?

    python benchmarks/stylegan2.py --threads 1 --sizes 64 256 1024

Prints JSON. Networks have the official widths and random weights. Seconds per image are the best of the
repeats, `wall` and `cpu` (CPU seconds of the process divided by the number of threads, which other load on
the machine inflates less). `plain` is the synthesis layer by layer, without strips; `gradient` the synthesis
and the gradient of the codes, one step of an inversion. `peak GB` is the process's largest resident set so
far, weights included.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from semveil.encoders import GradualStyleEncoder
from semveil.generators import StyleGAN2, StyleGAN2Config
from semveil.nn import strips


def flops(config: StyleGAN2Config) -> float:
    """Multiplications and additions of the 3x3 convolutions of one image, by their definition."""
    total, width = 2 * 9 * 16 * config.channels(4) ** 2, config.channels(4)
    for side in config.sides[1:]:
        outputs = config.channels(side)
        total += 2 * 9 * ((side // 2) ** 2 * width * outputs + side**2 * outputs**2)
        width = outputs
    return total


def best(run: Callable[[], object], images: int, repeats: int) -> dict[str, float]:
    """Best times per image after one warm-up, and the memory that the process has needed so far.

    Args:
        run: what is timed.
        images: that it makes.
        repeats: timed runs, after one to warm up.

    Returns:
        Seconds: `wall`, and `cpu` for each thread; `peak GB` of the process.
    """
    times = []
    for _ in range(repeats + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        times.append((time.perf_counter() - wall, (time.process_time() - cpu) / torch.get_num_threads()))
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
    walls, cpus = zip(*times[1:], strict=True)
    return {
        "wall": round(min(walls) / images, 4),
        "cpu": round(min(cpus) / images, 4),
        "peak GB": round(peak, 2),
    }


def synthesis(size: int, batch: int, repeats: int) -> dict[str, Any]:
    """Cost of synthesis with random weights: as the package does it, without strips, and with gradients.

    Args:
        size: side of the images in pixels.
        batch: of codes.
        repeats: timed runs of each.
    """
    config = StyleGAN2Config(size=size)
    model = StyleGAN2(config).eval().requires_grad_(False)
    codes = torch.randn(batch, config.codes, config.style_dim, generator=torch.Generator().manual_seed(0))

    def gradient() -> None:
        own = codes.clone().requires_grad_(True)
        torch.autograd.grad(model.synthesize(own).square().mean(), own)

    def plain() -> None:
        whole, strips.STRIP = strips.STRIP, 1 << 62
        try:
            model.synthesize(codes)
        finally:
            strips.STRIP = whole

    with torch.inference_mode():
        found: dict[str, Any] = {"GFLOP": round(flops(config) / 1e9, 1)}
        found["synthesis"] = best(lambda: model.synthesize(codes), batch, repeats)
        found["plain"] = best(plain, batch, repeats)
    found["gradient"] = best(gradient, batch, repeats)
    found["GFLOP/s per thread"] = round(
        found["GFLOP"] / found["synthesis"]["cpu"] / torch.get_num_threads(), 1
    )
    return found


def encoding(repeats: int) -> dict[str, float]:
    with torch.device("meta"):
        encoder = GradualStyleEncoder()
    state = {key: torch.full((), 0.01).expand(value.shape) for key, value in encoder.state_dict().items()}
    encoder = GradualStyleEncoder.from_official(state)
    photo = torch.zeros(1, 3, 256, 256)
    with torch.inference_mode():
        return best(lambda: encoder(photo), 1, repeats)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sizes", type=int, nargs="*", default=[64, 256, 1024])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    result = {f"{size} px": synthesis(size, arguments.batch, arguments.repeats) for size in arguments.sizes}
    result["pSp encoder, 256 px"] = encoding(arguments.repeats)
    settings = {"threads": arguments.threads, "batch": arguments.batch, "torch": torch.__version__}
    print(json.dumps({**settings, **result}, indent=2))


if __name__ == "__main__":
    main()
