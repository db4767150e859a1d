# SPDX-License-Identifier: Apache-2.0
"""Is the rounding of released unit vectors certain? Against mpmath on known bits, and whatever number of bits
is drawn.
"""

import random
from collections.abc import Callable

import mpmath
import pytest
import torch
from flint import arb
from torch.nn.functional import normalize

from semveil.mechanisms import SPHERE_MECHANISMS, PrivUnit, PrivUnitG, VonMisesFisher
from semveil.mechanisms.exact import sampler as exact
from semveil.mechanisms.exact import sphere as exact_sphere
from semveil.mechanisms.exact.sampler import Normals, Uniforms
from semveil.mechanisms.exact.sphere import (
    STEP,
    RandomBits,
    Undecided,
    certified_less,
    evaluate_until_decided,
    release_around,
)

X = normalize(torch.tensor([[0.3, -1.7, 1e-9, 2.5, 0.0]], dtype=torch.float64))
MECHANISMS: dict[str, VonMisesFisher | PrivUnit | PrivUnitG] = {
    "von-mises-fisher": VonMisesFisher.calibrate(5, 3.0),
    "privunit": PrivUnit.calibrate(5, 3.0),
    "privunit-g": PrivUnitG.calibrate(5, 3.0),
}
every_law = pytest.mark.parametrize("law", MECHANISMS)
Patch = pytest.MonkeyPatch


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


@pytest.mark.parametrize("exponent", [-24, -300])
def test_coordinates_are_those_of_the_ideal_vector(
    exponent: int, monkeypatch: Patch, fixed_entropy: random.Random
) -> None:
    """At a step of 2^-300 the first 64 bits never suffice, so the refined ones decide, and all 300 must be
    right.
    """
    monkeypatch.setattr(Recorded, "made", [], raising=False)
    monkeypatch.setattr(exact, "Uniforms", Recorded)
    monkeypatch.setattr(exact_sphere, "STEP", 2.0**exponent)
    cosine = 0.375
    found = evaluate_until_decided(
        lambda draws: exact_sphere._rounded(X[0].tolist(), lambda _: arb(cosine), draws)
    )
    radii, turns = Recorded.made
    assert exponent > -300 or min(*radii.bits, *turns.bits) > 300
    with mpmath.workprec(2000):
        for upper in (False, True):
            assert found == _reference(
                cosine, radii.edges(upper), turns.edges(upper), mpmath.mpf(2) ** exponent
            )
    # negative control: the same vector computed in 53 bits is wrong where many bits are asked for
    with mpmath.workprec(53):
        rough = _reference(cosine, radii.edges(False), turns.edges(False), mpmath.mpf(2) ** exponent)
    assert exponent > -300 or rough != found


def _reference(
    cosine: float, radii: list[mpmath.mpf], turns: list[mpmath.mpf], step: mpmath.mpf
) -> list[int]:
    x = [mpmath.mpf(v) for v in X[0].tolist()]
    x = [v / mpmath.sqrt(mpmath.fsum(w * w for w in x)) for v in x]
    normals = []
    for u, turn in zip(radii, turns, strict=True):
        radius = mpmath.sqrt(-2 * mpmath.log(u))
        normals += [radius * mpmath.cos(2 * mpmath.pi * turn), radius * mpmath.sin(2 * mpmath.pi * turn)]
    normals = normals[: len(x)]
    along = mpmath.fsum(n * v for n, v in zip(normals, x, strict=True))
    across = [n - along * v for n, v in zip(normals, x, strict=True)]
    stretch = mpmath.sqrt(1 - mpmath.mpf(cosine) ** 2) / mpmath.sqrt(mpmath.fsum(a * a for a in across))
    return [
        int(mpmath.floor((cosine * v + stretch * a) / step + 0.5)) for v, a in zip(x, across, strict=True)
    ]


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


def released(law: str, word: int, monkeypatch: Patch) -> tuple[list[list[float]], int]:
    """Vectors from fixed bits, and how often bits had to be added."""
    numbers = dealt(word)
    monkeypatch.setattr(exact, "Uniforms", numbers)
    monkeypatch.setattr(exact_sphere, "Uniforms", numbers)
    y = release_around(X.expand(6, -1), 5, MECHANISMS[law].exact_cosine)
    return y.tolist(), numbers.extensions  # type: ignore[attr-defined]


@every_law
def test_how_many_bits_are_drawn_at_a_time_makes_no_difference(law: str, monkeypatch: Patch) -> None:
    results = {word: released(law, word, monkeypatch) for word in (3, 64, 1024)}
    assert results[3][1] > results[64][1]
    assert results[3][0] == results[64][0] == results[1024][0]


@every_law
def test_deciding_by_the_centres_of_balls_would_not_do(law: str, monkeypatch: Patch) -> None:
    """Negative control: what the check above sees when open decisions are not refined."""
    monkeypatch.setattr(exact_sphere, "certified_less", lambda a, b: a.mid() < b.mid())
    monkeypatch.setattr(Normals, "pair", _centred(Normals.pair))
    for module in ("tails", "priv_unit", "priv_unit_g", "von_mises_fisher"):
        monkeypatch.setattr(
            f"semveil.mechanisms.sphere.{module}.certified_less", lambda a, b: a.mid() < b.mid()
        )
    monkeypatch.setattr(
        RandomBits, "exponential", lambda draws: draws._block(exact_sphere.Uniforms, 1).exponential(0).mid()
    )
    monkeypatch.setattr(
        RandomBits, "uniform", lambda draws: draws._block(exact_sphere.Uniforms, 1).ball(0).mid()
    )
    assert released(law, 12, monkeypatch)[0] != released(law, 1024, monkeypatch)[0]


def _centred(pair: Callable[[Normals, int], list[arb]]) -> Callable[[Normals, int], list[arb]]:
    return lambda normals, index: [n.mid() for n in pair(normals, index)]


def test_decisions_are_taken_only_where_balls_are_apart() -> None:
    assert certified_less(arb(1, 0.1), arb(2, 0.1))
    assert not certified_less(arb(2, 0.1), arb(1, 0.1))
    assert not certified_less(arb(1), arb(1))
    for a, b in ((arb(1, 0.1), arb(1, 0.1)), (arb("nan"), arb(1)), (arb(1), arb("nan"))):
        with pytest.raises(Undecided):
            certified_less(a, b)


def test_numbers_come_again_after_a_rewind_and_longer_after_an_extension() -> None:
    draws = RandomBits()
    first = [draws.uniform(), draws.exponential(), *draws.normals(3)]
    draws.rewind()
    assert all(
        a.overlaps(b)
        for a, b in zip(first, [draws.uniform(), draws.exponential(), *draws.normals(3)], strict=True)
    )
    fresh = draws.uniform()
    draws.extend()
    draws.rewind()
    assert first[0].contains(draws.uniform())
    assert first[0] != fresh


@pytest.mark.parametrize("name", list(SPHERE_MECHANISMS))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_releases_of_the_bundled_size(name: str, dtype: torch.dtype) -> None:
    x = normalize(torch.randn(2, 512, generator=torch.Generator().manual_seed(1))).to(dtype)
    y = SPHERE_MECHANISMS[name].calibrate(512, 100.0).release(x)
    assert not (y.double() / STEP).frac().any()
    assert (y.double().norm(dim=1) - 1).abs().max() < 512**0.5 * STEP / 2
