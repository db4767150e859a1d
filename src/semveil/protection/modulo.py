# SPDX-License-Identifier: Apache-2.0
"""Keyed noise modulo the clip box, from a uniform mask to bounded noise, removable with the key."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.protection.circle_noise import CircleNoise, scale_for
from semveil.protection.keyed import ASSUMPTIONS, KeyedBlock, check_side, check_streams
from semveil.protection.linear_pass import linear_pass

POINTS = 1 << 12  # on the circle; their quantisation noise is 69 dB below the mask's power
DEFAULT_GUARD = 0.2


class Modulo:
    """x -> (q(x) + N) mod L on L points over the clip box and a guard band; N comes from the key's stream.

    The circumference of the circle is the box's width times 1 + guard. Bob subtracts N and maps the result to
    the window that extends the box by half a guard band on each side; larger channel noise wraps around to
    the other end of the box. With uniform N the transmitted block is uniform for every photo (epsilon 0).
    With wrapped Laplace N of scale b the privacy loss per coordinate is ln(max P / min P), which is ln cosh(L
    / 2b) up to the table's rounding, and n times that for a block of n coordinates.

    Args:
        box: one pair of bounds for all coordinates.
        shape: (m, D) of a private block.
        guard: width of the guard band relative to the box's, 0 to 1; see `guard_for`.
        epsilon: budget of the whole block; 0 for uniform noise.

    Raises:
        ValueError: guard or epsilon out of range, or a box with per-coordinate bounds.

    Example:
        >>> modulo = Modulo(ClipBox(-1.0, 1.0), (2, 8))
        >>> block = torch.linspace(-1, 1, 16).view(1, 2, 8)
        >>> protected = modulo.protect(block, [KeyStream(bytes(32))])
        >>> bob = modulo.deprotect(protected.sent, protected.side, [KeyStream(bytes(32))])
        >>> torch.allclose(bob, block, atol=1e-3)
        True
    """

    name = "modulo"
    side_bytes = 0

    def __init__(
        self, box: ClipBox, shape: tuple[int, int], *, guard: float = DEFAULT_GUARD, epsilon: float = 0.0
    ) -> None:
        if isinstance(box.lower, Tensor) or isinstance(box.upper, Tensor):
            raise ValueError("modulo needs one pair of bounds for all coordinates, got bounds for each")
        if not 0 <= guard <= 1:
            raise ValueError(f"the guard band must be 0 to 1 times the box's width, got {guard}")
        if not (math.isfinite(epsilon) and epsilon >= 0):
            raise ValueError(f"epsilon must be finite and >= 0, got {epsilon}")
        self.box, self.shape, self.guard = box, tuple(shape), float(guard)
        self.centre = (box.lower + box.upper) / 2
        self.step = (box.upper - box.lower) * (1 + self.guard) / POINTS
        n = math.prod(self.shape)
        if epsilon == 0:
            self.scale, self.noise = math.inf, CircleNoise.uniform(POINTS)
        else:
            points = scale_for(epsilon * (1 - 1e-9), n, POINTS)  # room for the table's rounding
            self.scale, self.noise = points * self.step, CircleNoise.laplace(POINTS, points)
        self.epsilon = _times(n, self.noise.log_ratio())

    def parameters(self) -> dict[str, Any]:
        """Public settings, JSON-ready."""
        return {
            "protection": self.name,
            "bounds": [self.box.lower, self.box.upper],
            "guard": self.guard,
            "points": POINTS,
            "scale": None if self.scale == math.inf else self.scale,
        }

    def protect(self, private: Tensor, streams: Sequence[KeyStream]) -> KeyedBlock:
        """Clip, quantise, and add the noise modulo L; there is no side information.

        Differentiable; the gradient is that of the clipping alone.

        Args:
            private: (B, m, D) private block.
            streams: one key stream per image.

        Returns:
            The block to transmit, centred on 0, and empty side information.

        Raises:
            KeyProblem: not exactly one stream per image.
            ValueError: an entry is NaN or infinite, or the shape is not that of the protection.
        """
        self._check(private)
        check_streams(private, streams)
        inside = self.box.clip(private)
        clipped = inside.detach().cpu().double().numpy()
        points = np.rint((clipped - self.centre) / self.step).astype(np.int64)
        sent = self._window(points + self._draws(streams)) * self.step
        return KeyedBlock(
            linear_pass(inside, torch.from_numpy(sent).to(private), lambda gradient: gradient), b""
        )

    def deprotect(self, received: Tensor, side: bytes, streams: Sequence[KeyStream]) -> Tensor:
        """Bob's recovery: subtract the noise modulo L into the window, and clip to the box.

        Args:
            received: (B, m, D) received block, denormalised.
            side: empty.
            streams: one key stream per image, in the state in which Alice used them.

        Raises:
            KeyProblem: not exactly one stream per image, or non-empty side information.
            ValueError: the shape is not that of the protection.
        """
        self._check(received)
        check_streams(received, streams)
        check_side(received, side, self.side_bytes)
        heard = received.detach().cpu().double().numpy() / self.step
        read = self._read(self._window(heard - self._draws(streams)), received)
        inside = (read > self.box.lower) & (read < self.box.upper)
        return linear_pass(received, read, lambda gradient: gradient * inside)

    def interpret(self, received: Tensor) -> Tensor:
        """Interpretation without the key: the received block decoded as if it carried no noise.

        Args:
            received: (B, m, D) received block, denormalised.

        Raises:
            ValueError: the shape is not that of the protection.
        """
        self._check(received)
        return self._read(self._window(received.detach().cpu().double().numpy() / self.step), received)

    def guarantee(self, covers: str, *, not_covered: Sequence[str] = ()) -> Guarantee:
        """Computational guarantee for one image: exact epsilon of the block, no delta from rounding.

        Args:
            covers: the protected part of the record, in words.
            not_covered: parts of the record that are transmitted unprotected, in words.
        """
        law = "uniform" if self.epsilon == 0 else f"wrapped discrete Laplace of scale {self.scale:.6g}"
        assumptions = (
            *ASSUMPTIONS,
            f"the noise is {law} on {POINTS} points, drawn from an exact table of integers",
        )
        return Guarantee(
            self.epsilon, covers, Basis.COMPUTATIONAL, not_covered=tuple(not_covered), assumptions=assumptions
        )

    def _window(self, points: np.ndarray) -> np.ndarray:
        """Representatives in [-L/2, L/2)."""
        return (points + POINTS // 2) % POINTS - POINTS // 2

    def _read(self, points: np.ndarray, like: Tensor) -> Tensor:
        return self.box.clip(torch.from_numpy(points * self.step + self.centre).to(like))

    def _draws(self, streams: Sequence[KeyStream]) -> np.ndarray:
        n = math.prod(self.shape)
        return np.stack([self.noise.draw(n, stream).reshape(self.shape) for stream in streams])

    def _check(self, block: Tensor) -> None:
        if tuple(block.shape[1:]) != self.shape:
            raise ValueError(
                f"this protection is of blocks (B, {', '.join(map(str, self.shape))}), got "
                f"{tuple(block.shape)}"
            )


def guard_for(snr_db: float, *, deviations: float = 2.0) -> float:
    """Relative guard band for channel noise of a given number of standard deviations on either side.

    The mask's mean square over a circumference c is c^2 / 12, so channel noise at an SNR has deviation c /
    sqrt(12 SNR); the band g = 2 z c / sqrt(12 SNR) with c = 1 + g gives g = k / (1 - k), k = z / sqrt(3 SNR),
    and at most 1.

    Args:
        snr_db: Bob's SNR per complex symbol in dB, relative to the private block's own power.
        deviations: z; values are rarely at the edge of the box, and the common codes dilute the noise, so 2
            suffices (measured).

    Example:
        >>> round(guard_for(20), 3), round(guard_for(10), 3)
        (0.131, 0.575)
    """
    share = deviations / math.sqrt(3 * 10 ** (snr_db / 10))
    return min(1.0, share / (1 - share)) if share < 1 else 1.0


def _times(n: int, loss: float) -> float:
    """Privacy loss of n coordinates, rounded up."""
    return math.nextafter(n * loss, math.inf) if loss else 0.0
