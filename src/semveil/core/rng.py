# SPDX-License-Identifier: Apache-2.0
"""Named random streams: one run seed, an independent `torch.Generator` for each purpose."""

import hashlib
import operator
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_VERSION = "semveil rng 1"  # part of every derived seed; changing it changes all results


class Streams:
    """Independent generators by name, derived from one seed.

    The seed of a stream is the first 8 bytes of SHA-256 over version, run seed and name, so a stream does not
    depend on which others are used, and stays the same across versions of this package. torch's CPU engine
    keeps 32 bits of it: sufficient for simulation and training, not for the noise of a release.

    Example:
        >>> run = streams(7)
        >>> run["bob"] is run["bob"], run["bob"] is run["eve"]
        (True, False)
    """

    def __init__(self, seed: int | None, device: torch.device | str = "cpu") -> None:
        self.seed = seed
        self.device = torch.device(device)
        self._root = f"seed {seed}" if seed is not None else f"entropy {secrets.token_hex(32)}"
        self._opened: dict[str, torch.Generator] = {}

    def __getitem__(self, name: str) -> torch.Generator:
        """Return the stream called `name` (dp, bob, eve, train, crops, ...) in its current state."""
        if not name:
            raise ValueError("a random stream needs a name that says its purpose, such as 'dp' or 'bob'")
        if name not in self._opened:
            digest = hashlib.sha256(f"{_VERSION}\0{self._root}\0{name}".encode()).digest()
            self._opened[name] = torch.Generator(self.device).manual_seed(
                int.from_bytes(digest[:8], "big") >> 1
            )
        return self._opened[name]

    def __repr__(self) -> str:
        return f"Streams(seed={self.seed}, device={str(self.device)!r}, opened={sorted(self._opened)})"


def streams(seed: int | None, device: torch.device | str = "cpu") -> Streams:
    """Open the named streams of a run.

    Args:
        seed: any integer, also one of numpy, or None for 256 bits from the operating system, which are not
            recorded.
        device: device of the generators; samplers draw there and move the result.

    Raises:
        TypeError: the seed is not an integer.
    """
    if isinstance(seed, bool) or not (seed is None or hasattr(seed, "__index__")):
        raise TypeError(f"a seed must be an integer or None, got {seed!r}")
    return Streams(None if seed is None else operator.index(seed), device)


@contextmanager
def global_stream(rng: torch.Generator) -> Iterator[None]:
    """Context manager that seeds torch's global generators from `rng` and restores their states on exit.

    Only for code that takes no generator argument: weight initialisation, dropout.

    Args:
        rng: source of the seed.

    Example:
        >>> with global_stream(torch.Generator().manual_seed(0)):
        ...     first = torch.nn.Linear(2, 2)
        >>> with global_stream(torch.Generator().manual_seed(0)):
        ...     again = torch.nn.Linear(2, 2)
        >>> bool((first.weight == again.weight).all())
        True
    """
    # `manual_seed` also seeds the GPUs' streams, whose states must be restored too.
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=list(gpus)):
        torch.manual_seed(int(torch.randint(2**62, (), generator=rng)))
        yield
