# SPDX-License-Identifier: Apache-2.0
"""The exponential mechanism against its law, simulated and exact."""

import numpy as np
import pytest
import torch
from scipy import stats

from semveil.mechanisms.exponential import Exponential, exact_choice
from semveil.privacy.guarantee import Basis, Sensitivity

ONE = Sensitivity(1.0, "l1", 4, source="a test")  # type: ignore[arg-type]
UTILITIES = torch.tensor([[0.0, -0.5, -2.0, -40.0]])
DRAWS = 20_000
FALSE_ALARM = 1e-5


def frequencies(mechanism: Exponential, *, exact: bool, count: int = DRAWS) -> np.ndarray:
    rows = UTILITIES.expand(count, -1)
    chosen = mechanism.release(rows) if exact else mechanism(rows, rng=torch.Generator().manual_seed(1))
    return np.bincount(chosen.numpy(), minlength=4)


@pytest.mark.parametrize("exact", [False, True])
def test_choices_follow_the_law(exact: bool) -> None:
    mechanism = Exponential(1.3)
    law = mechanism.probabilities(UTILITIES)[0].numpy()
    np.testing.assert_allclose(law[1] / law[0], np.exp(-1.3 * 0.5))
    found = frequencies(mechanism, exact=exact)
    assert found[3] == 0
    assert stats.chisquare(found[:3], law[:3] / law[:3].sum() * DRAWS).pvalue > FALSE_ALARM
    other = Exponential(1.0).probabilities(UTILITIES)[0, :3].numpy()
    assert stats.chisquare(found[:3], other / other.sum() * DRAWS).pvalue < FALSE_ALARM, (
        "another rate would be noticed"
    )


def test_its_epsilon_bounds_the_ratio_of_any_two_laws() -> None:
    mechanism = Exponential.calibrate(ONE, epsilon=2.0)
    claim = mechanism.guarantee(ONE)
    assert claim.epsilon == pytest.approx(2.0)
    rng = np.random.default_rng(0)
    worst = 0.0
    for _ in range(300):
        utilities = rng.uniform(-3, 0, (2, 5))
        utilities[1] = utilities[0] + rng.choice([-1, 1], 5)  # each moves by the sensitivity
        first, second = mechanism.probabilities(torch.from_numpy(utilities)).numpy()
        worst = max(worst, float(np.abs(np.log(first / second)).max()))
    assert 1.0 < worst <= 2.0 + 1e-12


def test_a_calibrated_choice_never_claims_more_than_was_asked_for() -> None:
    sensitivity = Sensitivity(1 + 1e-9, "l1", 4, source="a test")  # type: ignore[arg-type]
    for epsilon in np.arange(1, 400) / 10:
        claimed = (
            Exponential.calibrate(sensitivity, float(epsilon)).guarantee(sensitivity, exact=True).epsilon
        )
        assert claimed is not None and epsilon * (1 - 1e-15) <= claimed <= epsilon


def test_what_the_guarantee_rests_on() -> None:
    mechanism = Exponential.calibrate(ONE, epsilon=2.0)
    assert mechanism.guarantee(ONE).basis == Basis.SIMULATION
    exact = mechanism.guarantee(ONE, exact=True)
    assert exact.basis == Basis.PROVED
    assert exact.epsilon is not None and exact.epsilon >= 2.0
    observed = Sensitivity(1.0, "l1", 4, source="seen", basis=Basis.OBSERVED_SENSITIVITY)  # type: ignore[arg-type]
    assert mechanism.guarantee(observed, exact=True).basis == Basis.OBSERVED_SENSITIVITY


def test_clocks_that_tie_in_their_first_bits_are_drawn_further(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first 64 bits of both clocks are the same, so that only further bits can tell; zeros have no finite
    logarithm.
    """
    stream = iter([bytes(16), bytes(7) + b"\1", b"\xff" * 8, *[b"\x10" * 8] * 50])
    monkeypatch.setattr("semveil.mechanisms.exact.sampler.os.urandom", lambda count: next(stream))
    # -ln U is smallest for the larger U: the second number, whose next bits are ones
    assert exact_choice([0.0, 0.0], rate=1.0) == 1


def test_bad_utilities_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        Exponential(1.0)(torch.tensor([[0.0, float("nan")]]))
    with pytest.raises(ValueError, match="rate"):
        Exponential(0.0)
