# SPDX-License-Identifier: Apache-2.0
"""Is the rounding of the ideal noise certain? Against mpmath at high precision, on bits that are known."""

import os
import random
from collections.abc import Callable
from types import SimpleNamespace

import mpmath
import pytest

from semveil.mechanisms.exact import sampler as exact
from semveil.mechanisms.exact.sampler import Uniforms, round_gaussian, round_k_norm, round_laplace

VALUES = [0.3, -1.7, 1e-9, 250.0, 0.0]
SCALE = 1.3
LAWS: dict[str, Callable[[float], list[int]]] = {
    "laplace": lambda step: round_laplace(VALUES, [SCALE] * len(VALUES), step),
    "gaussian": lambda step: round_gaussian(VALUES, SCALE, step),
    "k-norm": lambda step: round_k_norm(VALUES, SCALE, step),
}
every_law = pytest.mark.parametrize("law", LAWS)


class Recorded(Uniforms):
    """Keeps all instances, in the order that a sampler makes them."""

    made: list["Recorded"]

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.made.append(self)

    def edges(self, upper: bool) -> list[mpmath.mpf]:
        return [
            (mpmath.mpf(d) + upper) / mpmath.mpf(2) ** b for d, b in zip(self.digits, self.bits, strict=True)
        ]


def reference(law: str, drawn: list[list[mpmath.mpf]]) -> list[mpmath.mpf]:
    """The noise that uniform numbers give, for Laplace up to its sign."""
    if law == "laplace":
        return [-SCALE * mpmath.log(u) for u in drawn[0]]
    normals = []
    for u, turn in zip(drawn[0], drawn[1], strict=True):
        radius = mpmath.sqrt(-2 * mpmath.log(u))
        normals += [radius * mpmath.cos(2 * mpmath.pi * turn), radius * mpmath.sin(2 * mpmath.pi * turn)]
    normals = normals[: len(VALUES)]
    if law == "gaussian":
        return [SCALE * n for n in normals]
    length = -mpmath.fsum(mpmath.log(u) for u in drawn[2])
    return [SCALE * length * n / mpmath.sqrt(mpmath.fsum(m * m for m in normals)) for n in normals]


@every_law
@pytest.mark.parametrize("exponent", [-16, -60, -300])
def test_integers_are_those_of_the_ideal_noise(
    law: str, exponent: int, monkeypatch: pytest.MonkeyPatch, fixed_entropy: random.Random
) -> None:
    """At a step of 2^-300 the first 64 bits never suffice, so the refined bits decide, and all 300 bits must
    be right.
    """
    monkeypatch.setattr(Recorded, "made", [], raising=False)
    monkeypatch.setattr(exact, "Uniforms", Recorded)
    integers = LAWS[law](2.0**exponent)
    assert exponent > -300 or min(Recorded.made[0].bits) > 300
    with mpmath.workprec(2000):
        step = mpmath.mpf(2) ** exponent
        for upper in (False, True):
            noise = reference(law, [u.edges(upper) for u in Recorded.made])
            for k, x, n in zip(integers, VALUES, noise, strict=True):
                signs = (1, -1) if law == "laplace" else (1,)
                nearest = {int(mpmath.floor((mpmath.mpf(x) + sign * n) / step + 0.5)) for sign in signs}
                assert k in nearest
                # negative control: the same number computed in floats is wrong where many bits are asked for
                assert exponent > -300 or int((x + float(n)) / 2.0**exponent) not in nearest


def dealt(word: int) -> type[Uniforms]:
    """Numbers whose bits are fixed, handed out `word` at a time."""
    source = random.Random(5)

    class Dealt(Uniforms):
        extensions = 0

        def __init__(self, count: int) -> None:
            self.tape = [source.getrandbits(4096) for _ in range(count)]
            self.bits = [word] * count
            self.digits = [t >> 4096 - word for t in self.tape]

        def extend(self, index: int) -> None:
            type(self).extensions += 1
            self.bits[index] += word
            self.digits[index] = self.tape[index] >> 4096 - self.bits[index]

    return Dealt


@every_law
def test_how_many_bits_are_drawn_at_a_time_makes_no_difference(
    law: str, monkeypatch: pytest.MonkeyPatch, fixed_entropy: random.Random
) -> None:
    start = fixed_entropy.getstate()
    results = {}
    for word in (3, 64, 1024):
        fixed_entropy.setstate(start)  # the coins of Laplace noise
        monkeypatch.setattr(exact, "Uniforms", numbers := dealt(word))
        results[word] = LAWS[law](2.0**-12)
        assert numbers.extensions > 0 or word > 3
    assert results[3] == results[64] == results[1024]


@every_law
def test_rounding_the_centre_of_a_ball_would_not_do(
    law: str, monkeypatch: pytest.MonkeyPatch, fixed_entropy: random.Random
) -> None:
    """Negative control: what the check above sees when undecided coordinates are not refined."""
    start = fixed_entropy.getstate()
    certain = exact._integers
    monkeypatch.setattr(exact, "_integers", lambda x, balls, per: certain(x, [b.mid() for b in balls], per))
    results = []
    for word in (8, 64):
        fixed_entropy.setstate(start)
        monkeypatch.setattr(exact, "Uniforms", dealt(word))
        results.append(LAWS[law](2.0**-12))
    assert results[0] != results[1]


@every_law
@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_uniform_numbers_at_the_edge_are_refined(
    law: str, byte: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First words of zeros (an infinite logarithm within the ball) or ones; then honest bits."""
    first = [True] * 4

    def entropy(count: int) -> bytes:
        return bytes([byte]) * count if first and first.pop() else os.urandom(count)

    monkeypatch.setattr(exact, "os", SimpleNamespace(urandom=entropy))
    assert all(abs(k) < 2**40 for k in LAWS[law](2.0**-16))


def test_more_bits_stay_within_the_ball() -> None:
    numbers = Uniforms(50)
    for i in range(50):
        before, exponential = numbers.ball(i), numbers.exponential(i)
        numbers.extend(i)
        assert before.contains(numbers.ball(i))
        assert exponential.overlaps(numbers.exponential(i))
        assert 0 < float(before) < 1


def test_without_noise_values_are_rounded_to_the_grid() -> None:
    values = [0.0, 0.24, 0.25, -0.26, 1e6, -3.0]
    assert round_laplace(values, [0.0] * len(values), 0.5) == [0, 0, 1, -1, 2_000_000, -6]


def test_no_values_no_integers() -> None:
    assert round_laplace([], [], 1.0) == round_gaussian([], 1.0, 1.0) == []
