# SPDX-License-Identifier: Apache-2.0
"""Releases: the noise follows its law, lies on the grid, cannot be repeated, and its guarantee is proved and
rounded up.
"""

import json
import math
import os
import random
import warnings
from collections.abc import Callable
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference.laws import follows, k_norm_law_holds
from scipy import stats

from semveil.mechanisms import (
    ClipBox,
    CoordinateSensitivity,
    ExactRelease,
    Gaussian,
    L2Laplace,
    Laplace,
    Mechanism,
    PerCoordinateLaplace,
    costs,
)
from semveil.privacy.guarantee import Basis, Norm, Sensitivity

N = 100_000
DIMENSION = 6
pytestmark = pytest.mark.usefixtures("fixed_entropy")


def noise_of(mechanism: Mechanism, columns: int = 1, rows: int = N, step: float | None = None) -> np.ndarray:
    return ExactRelease(mechanism, step=step)(torch.zeros(rows, columns, dtype=torch.float64)).numpy()


@pytest.mark.parametrize("scale", [0.01, 351.9])
def test_laplace_follows_its_law(scale: float) -> None:
    noise = noise_of(Laplace(scale)).ravel()
    assert follows(noise, stats.laplace(scale=scale))
    assert not follows(noise, stats.laplace(scale=1.02 * scale))


def test_gaussian_follows_its_law() -> None:
    noise = noise_of(Gaussian(3.0), columns=5, rows=N // 5)
    assert follows(noise.ravel(), stats.norm(scale=3.0))
    assert not follows(noise.ravel(), stats.norm(scale=3.05))


def test_k_norm_follows_its_law_over_whole_records() -> None:
    noise = noise_of(L2Laplace(1.5), DIMENSION, 20_000)
    assert k_norm_law_holds(noise, 1.5)
    assert not k_norm_law_holds(noise, 1.55)
    assert not k_norm_law_holds(noise_of(Laplace(1.5), DIMENSION, 20_000), 1.5)
    assert not k_norm_law_holds(noise_of(Gaussian(1.5 * math.sqrt(DIMENSION + 1)), DIMENSION, 20_000), 1.5)


@pytest.mark.parametrize("dimension", [1, 2, 7, 1792])
def test_k_norm_lengths_are_gamma_in_any_dimension(dimension: int) -> None:
    lengths = np.linalg.norm(noise_of(L2Laplace(0.5), dimension, min(5000, 400_000 // dimension)), axis=1)
    assert follows(lengths, stats.gamma(dimension, scale=0.5))
    assert not follows(lengths, stats.gamma(dimension + 0.2 * math.sqrt(dimension), scale=0.5))


def test_each_coordinate_has_its_own_laplace_law() -> None:
    noise = noise_of(PerCoordinateLaplace(torch.tensor([0.5, 2.0, 0.0])), columns=3)
    assert follows(noise[:, 0], stats.laplace(scale=0.5))
    assert follows(noise[:, 1], stats.laplace(scale=2.0))
    assert not noise[:, 2].any()


@pytest.mark.parametrize("mechanism", [Laplace(1.0), Gaussian(1.0)], ids=["laplace", "gaussian"])
def test_noise_is_independent_between_coordinates_and_records(mechanism: Mechanism) -> None:
    noise = noise_of(mechanism, 4, 30_000)
    for sample in (noise, noise**2):  # pairs of normals share a radius: their squares must not show it
        assert abs(np.corrcoef(sample.T) - np.eye(4)).max() < 4.5 / math.sqrt(len(noise))
        assert abs(np.corrcoef(sample[1:, 0], sample[:-1, 0])[0, 1]) < 4.5 / math.sqrt(len(noise))
    # negative control: the coordinates of K-norm noise share a length
    shared = noise_of(L2Laplace(1.0), 4, 30_000) ** 2
    assert abs(np.corrcoef(shared.T) - np.eye(4)).max() > 4.5 / math.sqrt(len(noise))


COARSE = {"laplace": (Laplace(1.0), stats.laplace()), "gaussian": (Gaussian(1.0), stats.norm())}


@pytest.mark.parametrize("law", COARSE)
def test_on_a_coarse_grid_each_point_has_the_probability_of_its_cell(law: str) -> None:
    """Rounding is post-processing at any step: P[k] is the ideal law's mass between k - 1/2 and k + 1/2,
    around x.
    """
    mechanism, ideal = COARSE[law]
    x, step, n = 0.7, 2.0, 50_000
    y = ExactRelease(mechanism, step=step)(torch.full((n, 1), x, dtype=torch.float64)).numpy().ravel()
    points = np.arange(-2, 4)
    counts = np.array([(y == step * k).sum() for k in points])
    cells = ideal.cdf(step * (points + 0.5) - x) - ideal.cdf(step * (points - 0.5) - x)
    at_zero = ideal.cdf(step * (points + 0.5)) - ideal.cdf(step * (points - 0.5))
    assert (abs(counts - n * cells) < 4.9 * np.sqrt(n * cells) + 10).all()
    assert not (abs(counts - n * at_zero) < 4.9 * np.sqrt(n * at_zero) + 10).all()


def test_opposite_corners_of_the_box_differ_by_epsilon_at_most_and_reach_it() -> None:
    """One coordinate, epsilon 1: the likelihood ratio of the two corners from counts, with its sampling
    error.
    """
    box, n, epsilon = ClipBox(-1.487, 3.432), 150_000, 1.0
    release = ExactRelease(Laplace.calibrate(box.l1_sensitivity(1), epsilon), step=0.5)
    edges = np.linspace(-10, 12, 12)

    def loss(of: Callable[[torch.Tensor], torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
        corners = (torch.full((n, 1), corner, dtype=torch.float64) for corner in (-1.487, 3.432))
        low, high = (np.histogram(of(x).numpy(), edges)[0] for x in corners)
        return np.log(low / high), 5 * np.sqrt(1 / low + 1 / high)

    seen, error = loss(release)
    assert (abs(seen) <= epsilon + error).all()
    assert abs(seen).max() > 0.9 * epsilon
    seen, error = loss(ExactRelease(Laplace(release.mechanism.scale / 2), step=0.5))  # negative control
    assert not (abs(seen) <= epsilon + error).all()


def naive_laplace(x: np.ndarray, scale: float) -> np.ndarray:
    """The textbook sampler in floats."""
    source = np.random.default_rng(3)
    return x + scale * np.where(source.random(x.shape) < 0.5, 1, -1) * np.log(source.random(x.shape))


def test_low_bits_tell_records_apart_with_floats_and_not_on_the_grid() -> None:
    """Mironov (2012): near 0, only x = 0 reaches floats finer than 2^-53; one such output betrays the record
    for sure.
    """

    def betrays(y: np.ndarray) -> int:
        return int(((abs(y) < 0.25) & (np.mod(y * 2.0**53, 1) != 0)).sum())

    zeros, ones = np.zeros(N), np.ones(N)
    assert betrays(naive_laplace(zeros, 1.0)) > 0.1 * N
    assert betrays(naive_laplace(ones, 1.0)) == 0
    for x in (zeros, ones):
        assert betrays(ExactRelease(Laplace(1.0))(torch.from_numpy(x)[:, None]).numpy()) == 0


@given(
    st.lists(st.floats(-(2.0**40), 2.0**40, width=32), min_size=1, max_size=7),
    st.integers(-60, 30),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_outputs_lie_on_the_grid_whatever_the_input(
    values: list[float], exponent: int, dtype: torch.dtype
) -> None:
    x = torch.tensor([values], dtype=dtype)
    before = x.clone()
    for mechanism in (Laplace(1.0), L2Laplace(1.0), Gaussian(1.0)):
        y = ExactRelease(mechanism, step=2.0**exponent)(x)
        assert (y.shape, y.dtype) == (x.shape, dtype)
        assert all(Fraction(v) % Fraction(2) ** exponent == 0 for v in y.flatten().tolist())
    assert torch.equal(x, before)
    assert any(Fraction(0.3) % Fraction(2) ** e for e in range(-40, 0))  # the check can fail


def test_a_release_takes_no_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the operating system's entropy again
    release, x, seen = ExactRelease(Laplace(1.0)), torch.zeros(1, 8), []
    for _ in range(2):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002 the global stream is what must not matter
        seen.append(release(x))
    assert not torch.equal(*seen)
    with pytest.raises(TypeError):
        release(x, rng=torch.Generator())  # type: ignore[call-arg]


def test_a_forked_process_draws_other_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    release, x = ExactRelease(Laplace(1.0)), torch.zeros(1, 8)
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forks beside threads
        child = os.fork()
    if child == 0:
        os.write(theirs, release(x).numpy().tobytes())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(ours, 1024) != release(x).numpy().tobytes()
    os.close(ours)
    os.close(theirs)


positive = st.floats(1e-6, 1e6)


@given(value=positive, scale=positive)
def test_epsilon_is_the_exact_quotient_rounded_up(value: float, scale: float) -> None:
    for kind, norm in ((Laplace, Norm.L1), (L2Laplace, Norm.L2)):
        claim = ExactRelease(kind(scale)).guarantee(Sensitivity(value, norm, 3, source="test"))
        assert claim.basis is Basis.PROVED
        assert Fraction(claim.epsilon) >= Fraction(value) / Fraction(scale)
        assert Fraction(math.nextafter(claim.epsilon, 0)) < Fraction(value) / Fraction(scale)
        assert Fraction(claim.metric.rate) >= 1 / Fraction(scale)


@given(widths=st.lists(positive, min_size=1, max_size=5), scale=positive)
@example(widths=[1.0, 1.0], scale=1.5)  # 2/3 + 1/3
def test_coordinate_losses_are_summed_exactly_and_rounded_up(widths: list[float], scale: float) -> None:
    scales = torch.tensor([*(scale * (i + 1) for i in range(len(widths))), 0.0], dtype=torch.float64)
    sensitivity = CoordinateSensitivity(torch.tensor([*widths, 0.0], dtype=torch.float64), source="test")
    claim = ExactRelease(PerCoordinateLaplace(scales)).guarantee(sensitivity)
    exact = sum(Fraction(w) / Fraction(s) for w, s in zip(widths, scales.tolist()[:-1], strict=True))
    # Sums are balls of 128 bits: a sum that is a float exactly may be given as the next one.
    assert (
        Fraction(claim.epsilon)
        >= exact
        > Fraction(math.nextafter(claim.epsilon, 0)) * (1 - Fraction(1, 2**100))
    )


@given(ratio=st.floats(0.05, 300), delta=st.floats(1e-30, 0.4), value=st.floats(1e-3, 1e3))
def test_gaussian_delta_at_the_stated_epsilon_is_confirmed_by_mpmath(
    ratio: float, delta: float, value: float
) -> None:
    claim = ExactRelease(Gaussian(ratio * value, delta)).guarantee(Sensitivity(value, "l2", 3, source="test"))
    assert claim.delta == delta
    with mpmath.workprec(600):
        r, epsilon = mpmath.mpf(ratio * value) / mpmath.mpf(value), mpmath.mpf(claim.epsilon)

        def delta_at(eps: mpmath.mpf) -> mpmath.mpf:
            return mpmath.ncdf(1 / (2 * r) - eps * r) - mpmath.exp(eps) * mpmath.ncdf(-1 / (2 * r) - eps * r)

        assert delta_at(epsilon) <= delta
        assert epsilon == 0 or delta_at(epsilon * (1 - mpmath.mpf(2) ** -20)) > delta or epsilon < 1e-9


def test_tiny_deltas_are_proved_too() -> None:
    sensitivity = Sensitivity(1.0, "l2", 3, source="test")
    claim = ExactRelease(Gaussian.calibrate(sensitivity, 1.0, 1e-200)).guarantee(sensitivity)
    assert claim.epsilon == pytest.approx(1.0, rel=1e-6)


def test_what_the_guarantee_rests_on() -> None:
    release = ExactRelease(Laplace(2.0), step=0.25)
    claim = release.guarantee(
        Sensitivity(4.0, "l1", 2, source="the box"),
        covers="the skin codes",
        not_covered=["the rest"],
        assumptions=["more"],
    )
    text = " ".join(claim.assumptions)
    assert (
        "operating system" in text
        and "Arb" in text
        and "0.25" in text
        and "the box" in text
        and "running time" in text
    )
    assert claim.assumptions[-1] == "more"
    assert "floating-point" not in text
    assert (claim.epsilon, claim.covers, claim.whole_record_epsilon) == (2.0, "the skin codes", None)
    json.dumps(claim.as_dict(), allow_nan=False)


def test_an_observed_sensitivity_stays_observed() -> None:
    seen = Sensitivity(4.0, "l1", 2, source="seen", basis=Basis.OBSERVED_SENSITIVITY)
    claim = ExactRelease(Laplace(2.0)).guarantee(seen)
    assert claim.basis is Basis.OBSERVED_SENSITIVITY
    assert any("observed-sensitivity" in a for a in claim.assumptions)


def test_claims_without_loss_or_without_bound() -> None:
    assert ExactRelease(Laplace(1.0)).guarantee(Sensitivity(0.0, "l1", 2, source="constant")).epsilon == 0.0
    assert ExactRelease(Gaussian(1.0)).guarantee(Sensitivity(0.0, "l2", 2, source="constant")).epsilon == 0.0
    bare = ExactRelease(PerCoordinateLaplace(torch.tensor([1.0, 0.0])))
    claim = bare.guarantee(CoordinateSensitivity(torch.ones(2), source="test"))
    assert claim.epsilon is None
    assert "1 coordinates vary and get no noise" in claim.reason


@pytest.mark.parametrize("step", [0.0, -1.0, 0.3, 3.0, math.nan, math.inf, 2.0**-101, 2.0**101])
def test_steps_are_powers_of_two(step: float) -> None:
    with pytest.raises(ValueError, match="power of two"):
        ExactRelease(Laplace(1.0), step=step)


@pytest.mark.parametrize("scale", [1e-20, 0.7, 1.0, 1e20])
def test_the_default_step_is_far_below_the_noise(scale: float) -> None:
    assert 2**16 <= scale / ExactRelease(Laplace(scale)).step <= 2**17
    scales = torch.tensor([scale, 10 * scale, 0.0], dtype=torch.float64)
    assert ExactRelease(PerCoordinateLaplace(scales)).step == ExactRelease(Laplace(scale)).step


def test_what_cannot_be_released_is_refused() -> None:
    with pytest.raises(TypeError, match="no exact sampler for int; a release needs smallest_scale"):
        ExactRelease(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="all scales"):
        ExactRelease(PerCoordinateLaplace(torch.zeros(2)))
    release = ExactRelease(Laplace(1.0))
    for bad, words in (
        (torch.full((2, 3), math.nan), "NaN or infinite"),
        (torch.full((2, 3), -math.inf), "NaN or infinite"),
        (torch.full((2, 3), 1e38), "clip them"),
        (torch.zeros(3), "batch"),
        (torch.zeros(2, 3, dtype=torch.int64), "batch"),
        (torch.zeros(2, 3, dtype=torch.float16), "float32 or float64"),
    ):
        with pytest.raises(ValueError, match=words):
            release(bad)
    with pytest.raises(ValueError, match="the scales"):
        ExactRelease(PerCoordinateLaplace(torch.ones(2, 3)))(torch.zeros(4, 6))


def test_costs_are_those_of_the_paper_setting() -> None:
    """errata.md, dp-semcom 2, true epsilon 1; its K-norm figure takes n for sqrt(n (n + 1))."""
    spread = costs(ClipBox(0.0, 2.939), 7 * 512, epsilon=1.0, delta=1e-5)
    assert spread["laplace"] == pytest.approx(14_896, abs=1)
    assert spread["l2-laplace"] == pytest.approx(10_533, abs=2)
    assert spread["gaussian"] == pytest.approx(656, abs=0.5)
    drawn = noise_of(L2Laplace.calibrate(ClipBox(0.0, 2.939).l2_sensitivity(3584), 1.0), 3584, 30)
    assert drawn.std() == pytest.approx(
        spread["l2-laplace"], rel=4.5 * math.sqrt(1 / 3584 / 30 + 1 / 30 / 3584)
    )


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-9, 1e6), n=st.integers(1, 50))
def test_box_sensitivities_are_rounded_up(low: float, width: float, n: int) -> None:
    if low + width == low:
        return
    box = ClipBox(low, low + width)
    exact = Fraction(box.upper) - Fraction(box.lower)
    side = box.coordinate_sensitivity(1).values.item()
    assert Fraction(side) >= exact
    assert Fraction(math.nextafter(side, 0)) < exact
    assert Fraction(box.l1_sensitivity(n).value) >= n * exact
    assert Fraction(box.l2_sensitivity(n).value) ** 2 >= n * exact**2
    assert box.l2_sensitivity(n).value == pytest.approx(float(exact) * math.sqrt(n))


@settings(max_examples=60)
@given(value=st.floats(0.01, 1e5), epsilon=st.floats(0.01, 50), parts=st.integers(1, 40))
def test_noise_that_is_calibrated_to_an_epsilon_is_certified_at_no_larger_one(
    value: float, epsilon: float, parts: int
) -> None:
    """So what is printed, rounded up, is what was asked for."""
    widths = torch.full((parts,), value, dtype=torch.float64) / 3
    box = CoordinateSensitivity(widths, "a test")
    l1, l2 = (Sensitivity(value, norm, 3, "a test") for norm in ("l1", "l2"))
    for kind, sensitivity in ((Laplace, l1), (L2Laplace, l2), (Gaussian, l2), (PerCoordinateLaplace, box)):
        claim = ExactRelease(kind.calibrate(sensitivity, epsilon)).guarantee(sensitivity)
        assert claim.epsilon is not None and epsilon * (1 - 1e-11) <= claim.epsilon <= epsilon


def test_the_metric_form_of_noise_by_coordinate_is_that_of_its_smallest_scale():
    """|x - x'| in one coordinate of scale s costs |x - x'| / s, and most where s is smallest."""
    sensitivity = CoordinateSensitivity(torch.tensor([1.0, 1.0]), source="test")
    claim = PerCoordinateLaplace(torch.tensor([0.5, 2.0])).guarantee(sensitivity)
    assert claim.epsilon == pytest.approx(1 / 0.5 + 1 / 2) and claim.metric.rate == pytest.approx(2.0)
