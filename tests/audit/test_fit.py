# SPDX-License-Identifier: Apache-2.0
"""Goodness of fit: true laws are seldom refuted, wrong ones are, and the stated power is kept."""

import numpy as np
import pytest

from semveil.audit.fit import FitTest
from semveil.audit.game import Law
from semveil.audit.laws import OFF_GRID, choice_law, circle_law, clipped_laplace_law, cosine_law, noise_law
from semveil.mechanisms import SPHERE_MECHANISMS, Gaussian, L2Laplace, Laplace
from semveil.protection.circle_noise import CircleNoise, closed_form_epsilon

Array = np.ndarray
NORMAL = Law(
    "standard normal", lambda w, y: {"value": y[:, 0]}, lambda w, n, rng: {"value": rng.normal(size=n)}
)


def samples(law: Law, draw: object) -> tuple[dict[str, Array], dict[str, Array]]:
    return law.measure(0, draw(0)), law.measure(1, draw(1))  # type: ignore[operator, return-value]


def test_a_true_law_is_seldom_refuted() -> None:
    """At false alarms of 5 %, of 300 samples: 31 and more would have probability 1e-4."""
    rng = np.random.default_rng(0)
    refuted = 0
    for _ in range(300):
        test = FitTest(NORMAL, 400, 0.05, rng)
        refuted += test.compare(samples(NORMAL, lambda w: rng.normal(size=(400, 1)))).refuted
    assert refuted <= 30


@pytest.mark.parametrize("shift", [0.1, 0.2, 0.3, 0.7])
def test_the_power_of_a_fit_is_a_lower_bound(shift: float) -> None:
    rng = np.random.default_rng(1)
    test = FitTest(NORMAL, 600, 1e-4, rng)
    said = test.power(samples(NORMAL, lambda w: rng.normal(shift, size=(600, 1))))
    caught = np.mean(
        [
            test.compare(samples(NORMAL, lambda w: rng.normal(shift, size=(600, 1)))).refuted
            for _ in range(200)
        ]
    )
    assert said <= caught + 4 * np.sqrt(0.25 / 200)
    assert (said > 0.95) == (shift == 0.7)


@pytest.mark.parametrize("kind", ["laplace", "l2-laplace", "gaussian"])
@pytest.mark.parametrize("numbers", [1, 448])
def test_simulated_mechanisms_follow_the_reference_and_wrong_scales_do_not(kind: str, numbers: int) -> None:
    import torch

    build = {"laplace": Laplace, "l2-laplace": L2Laplace, "gaussian": Gaussian}[kind]
    clean = np.zeros(numbers), np.ones(numbers)
    law, generator = noise_law(kind, clean, 3.0), torch.Generator().manual_seed(0)
    count = 20_000 if numbers == 1 else 200
    test = FitTest(law, count, 1e-6, np.random.default_rng(2))

    def drawn(scale: float, world: int) -> Array:
        rows = torch.as_tensor(clean[world]).expand(count, -1)
        return build(scale)(rows, rng=generator).numpy()

    assert not test.compare(samples(law, lambda w: drawn(3.0, w))).refuted
    assert test.compare(samples(law, lambda w: drawn(3.0 / 1.25, w))).refuted
    assert test.compare(samples(law, lambda w: drawn(3.0 * 1.25, w))).refuted


def test_normal_noise_of_the_same_size_is_not_laplace_noise() -> None:
    rng = np.random.default_rng(3)
    law = noise_law("laplace", (np.zeros(448), np.ones(448)), 1.0)
    test = FitTest(law, 200, 1e-6, rng)
    found = test.compare(samples(law, lambda w: w + rng.normal(0, np.sqrt(np.pi / 2), (200, 448))))
    assert found.refuted and found.statistic == "noise shape"


def test_numbers_off_the_grid_are_refuted() -> None:
    rng = np.random.default_rng(4)
    law = noise_law("laplace", (np.zeros(4), np.ones(4)), 1.0, step=2.0**-10)
    test = FitTest(law, 500, 1e-6, rng)
    exact = samples(law, lambda w: np.round((w + rng.laplace(size=(500, 4))) * 2**10) / 2**10)
    assert not test.compare(exact).refuted
    floats = test.compare(samples(law, lambda w: w + rng.laplace(size=(500, 4))))
    assert floats.refuted and floats.statistic == OFF_GRID


@pytest.mark.parametrize("name", list(SPHERE_MECHANISMS))
@pytest.mark.parametrize("dimension", [8, 48])
def test_cosines_of_mechanisms_follow_the_reference_and_those_of_twice_the_budget_do_not(
    name: str, dimension: int
) -> None:
    import torch

    kind, epsilon, count = SPHERE_MECHANISMS[name], 6.0, 10_000
    pole = np.eye(dimension)[0]
    law = cosine_law(name, dimension, epsilon, (pole, -pole))
    test, generator = FitTest(law, count, 1e-6, np.random.default_rng(5)), torch.Generator().manual_seed(0)

    def drawn(of: float, world: int) -> Array:
        rows = torch.as_tensor((pole, -pole)[world]).expand(count, -1)
        return kind.calibrate(dimension, of)(rows, rng=generator).numpy()

    assert not test.compare(samples(law, lambda w: drawn(epsilon, w))).refuted
    assert test.compare(samples(law, lambda w: drawn(2 * epsilon, w))).refuted


def test_the_reference_of_clipped_noise_in_closed_form() -> None:
    """At the lower end the noise stays there with probability 1/2 and crosses the box with exp(-width /
    scale) / 2.
    """
    lower, upper, scales = np.zeros(3), np.ones(3), np.full(3, 2.0)
    law = clipped_laplace_law((lower, upper), scales, lower, upper)
    found = law.reference(0, 40_000, np.random.default_rng(6))
    across = np.exp(-0.5) / 2
    for name, share in (
        ("coordinates at the upper bound", across),
        ("coordinates inside the box", 0.5 - across),
    ):
        mean, error = found[name].mean() / 3, np.sqrt(share * (1 - share) / 120_000)
        assert mean == pytest.approx(share, abs=4.5 * error)


def test_the_reference_of_a_choice() -> None:
    law = choice_law((np.array([0.7, 0.3]), np.array([0.4, 0.6])), lambda outputs: outputs[:, 0])
    found = law.reference(0, 40_000, np.random.default_rng(7))["likelihood ratio of the selection"]
    assert (found > 0).mean() == pytest.approx(0.7, abs=4.5 * np.sqrt(0.21 / 40_000))
    assert law.measure(0, np.array([[1.0]]))["likelihood ratio of the selection"] == pytest.approx(
        np.log(0.3 / 0.6)
    )


def test_the_circles_reference_is_the_exact_table() -> None:
    points, scale, n = 256, 90.0, 2
    table = np.array([float(c) for c in CircleNoise.laplace(points, scale).counts]) / 2.0**64
    law = circle_law(
        (np.zeros(n), np.full(n, 128.0)), points, closed_form_epsilon(n, points, scale), lambda y: y
    )
    drawn = law.reference(0, 40_000, np.random.default_rng(8))["mean distance"]
    away = np.minimum(np.arange(points), points - np.arange(points))
    mean = float(table @ away)
    error = float(np.sqrt((table @ away**2 - mean**2) / n / 40_000))
    assert drawn.mean() == pytest.approx(mean, abs=4.5 * error)
    assert law.measure(1, np.array([[129.0, 120.0]]))["mean distance"].tolist() == [4.5]
