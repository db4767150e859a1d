# SPDX-License-Identifier: Apache-2.0
"""Time every step of the link for messages of the paper's size, against drawing the noise alone.

    python benchmarks/channel.py [--images 16] [--repeats 50]

Prints one JSON object; times are medians in microseconds per image, of 28 x 512 latents, 7,168 channel uses.
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from semveil.channels import (
    Message,
    awgn,
    code_blocks,
    denormalise_power,
    normalise_power,
    normalise_power_blocks,
    pack,
    read_message,
    unpack,
    wiretap,
    write_message,
)

CODES, WIDTH, PRIVATE = 28, 512, (0, 1, 4, 5, 6, 7, 8)


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call after one to warm up.

    Args:
        call: what is timed.
        repeats: timed calls, at least 1.
    """
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def measure(images: int, repeats: int, folder: Path) -> dict[str, object]:
    """Microseconds per image of each step, and bytes per image of the file.

    Args:
        images: in a batch.
        repeats: of each step.
        folder: for the message file.
    """
    rng = torch.Generator().manual_seed(0)
    eve = torch.Generator().manual_seed(1)
    latents = torch.randn(images, CODES, WIDTH, generator=rng)
    symbols = pack(latents)
    blocks = code_blocks(PRIVATE, (CODES, WIDTH))
    sent, gain = normalise_power(symbols)
    message = Message(
        method="dp-semcom",
        model="benchmark",
        model_hash="0" * 64,
        image_size=512,
        latent_shape=(CODES, WIDTH),
        private_codes=PRIVATE,
        clip_lower=torch.tensor(-1.4695),
        clip_upper=torch.tensor(1.4695),
        gains=gain[:, None],
        protection="none",
        calibration=None,
        nominal_epsilon=None,
        pair_hash=None,
        guarantee={},
        snr_db=None,
        symbols=sent,
    )
    path = folder / "m.svl"
    steps: dict[str, Callable[[], object]] = {
        "floor: draw the complex noise": lambda: torch.randn(
            symbols.shape, dtype=symbols.dtype, generator=rng
        ),
        "pack": lambda: pack(latents),
        "unpack": lambda: unpack(symbols),
        "normalise_power": lambda: normalise_power(symbols),
        "normalise_power_blocks": lambda: normalise_power_blocks(symbols, blocks),
        "denormalise_power": lambda: denormalise_power(sent, gain),
        "awgn": lambda: awgn(sent, 20.0, rng=rng),
        "wiretap": lambda: wiretap(sent, 20.0, rng_bob=rng, rng_eve=eve),
        "write_message": lambda: write_message(path, message),
        "read_message": lambda: read_message(path),
    }
    times = {name: round(1e6 * median_seconds(call, repeats) / images, 1) for name, call in steps.items()}
    return {
        "config": {
            "images": images,
            "repeats": repeats,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        },
        "microseconds_per_image": times,
        "awgn_over_floor": round(times["awgn"] / times["floor: draw the complex noise"], 2),
        "file_bytes_per_image": round(path.stat().st_size / images, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(arguments.images, arguments.repeats, Path(folder)), indent=1))


if __name__ == "__main__":
    main()
