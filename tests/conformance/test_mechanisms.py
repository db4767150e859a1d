# SPDX-License-Identifier: Apache-2.0
"""What every registered mechanism must do, whatever its law."""

import json

import pytest
import torch

from semveil.core.rng import streams
from semveil.mechanisms import MECHANISMS, CoordinateSensitivity
from semveil.privacy.guarantee import Basis, Sensitivity

every_mechanism = pytest.mark.parametrize("name", list(MECHANISMS))


def records(
    sensitivity: Sensitivity | CoordinateSensitivity, count: int = 5, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    shape = (
        sensitivity.values.shape
        if isinstance(sensitivity, CoordinateSensitivity)
        else (sensitivity.dimension,)
    )
    return torch.arange(count, dtype=dtype).reshape(count, *(1 for _ in shape)).expand(count, *shape)


@every_mechanism
def test_registered_under_its_own_name(name: str) -> None:
    assert MECHANISMS[name].name == name


@every_mechanism
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_keeps_shape_type_and_input(name: str, dtype: torch.dtype) -> None:
    mechanism, sensitivity = MECHANISMS[name].example()
    x = records(sensitivity, dtype=dtype)
    before = x.clone()
    y = mechanism(x, rng=streams(1)["dp"])
    assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
    assert torch.equal(x, before)
    assert not torch.equal(y, x)
    assert torch.isfinite(y).all()


@every_mechanism
def test_same_stream_same_noise_other_stream_other_noise(name: str) -> None:
    mechanism, sensitivity = MECHANISMS[name].example()
    x = records(sensitivity)
    assert torch.equal(mechanism(x, rng=streams(1)["dp"]), mechanism(x, rng=streams(1)["dp"]))
    assert not torch.equal(mechanism(x, rng=streams(1)["dp"]), mechanism(x, rng=streams(2)["dp"]))


@every_mechanism
def test_every_record_gets_its_own_noise(name: str) -> None:
    mechanism, sensitivity = MECHANISMS[name].example()
    noise = mechanism(records(sensitivity) * 0, rng=streams(1)["dp"])
    assert len({tuple(row.flatten().tolist()) for row in noise}) == len(noise)


@every_mechanism
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 29.93, 800.0])
def test_calibrated_noise_guarantees_what_was_asked(name: str, epsilon: float) -> None:
    kind = MECHANISMS[name]
    _, sensitivity = kind.example()
    assert kind.calibrate(sensitivity, epsilon).guarantee(sensitivity).epsilon == pytest.approx(
        epsilon, rel=1e-9
    )


@every_mechanism
def test_less_epsilon_means_more_noise(name: str) -> None:
    kind = MECHANISMS[name]
    _, sensitivity = kind.example()
    strong, weak = (torch.as_tensor(kind.calibrate(sensitivity, e).coordinate_std(3)) for e in (0.5, 5.0))
    assert (strong > weak).all()


@every_mechanism
def test_coordinate_std_is_that_of_the_noise(name: str) -> None:
    mechanism, sensitivity = MECHANISMS[name].example()
    noise = mechanism(records(sensitivity, 40_000, torch.float64) * 0, rng=streams(4)["dp"])
    expected = torch.as_tensor(mechanism.coordinate_std(noise[0].numel())).double()
    # the standard error of a standard deviation is below sqrt((kurtosis - 1) / 4n), kurtosis at most 6 here
    assert (noise.std(0) / expected - 1).abs().max() < 4.5 * (5 / 4 / len(noise)) ** 0.5


@every_mechanism
def test_plain_torch_noise_never_claims_more_than_simulation(name: str) -> None:
    mechanism, sensitivity = MECHANISMS[name].example()
    guarantee = mechanism.guarantee(sensitivity, covers="the private codes", not_covered=["the common codes"])
    assert guarantee.basis is Basis.SIMULATION
    assert guarantee.covers == "the private codes"
    assert guarantee.whole_record_epsilon is None
    json.dumps(guarantee.as_dict(), allow_nan=False)


@every_mechanism
@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_budgets_are_refused(name: str, epsilon: float) -> None:
    kind = MECHANISMS[name]
    _, sensitivity = kind.example()
    with pytest.raises(ValueError, match="epsilon must be a positive"):
        kind.calibrate(sensitivity, epsilon)


@every_mechanism
def test_sensitivities_that_do_not_fit_are_refused(name: str) -> None:
    mechanism, right = MECHANISMS[name].example()
    others = [kind.example()[1] for kind in (MECHANISMS[n] for n in MECHANISMS)]
    for other in others:
        if type(other) is type(right) and getattr(other, "norm", None) == getattr(right, "norm", None):
            continue
        for call in (lambda s: mechanism.guarantee(s), lambda s: mechanism.calibrate(s, 1.0)):
            with pytest.raises((ValueError, TypeError)):
                call(other)


@every_mechanism
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_records_that_are_not_finite_are_refused(name: str, bad: float) -> None:
    mechanism, sensitivity = MECHANISMS[name].example()
    x = records(sensitivity).clone()
    x[2] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        mechanism(x)


@every_mechanism
def test_a_record_without_batch_or_of_integers_is_refused(name: str) -> None:
    mechanism, sensitivity = MECHANISMS[name].example()
    with pytest.raises(ValueError, match="batch"):
        mechanism(torch.zeros(3))
    with pytest.raises(ValueError, match="batch"):
        mechanism(records(sensitivity).long())


def test_near_miss_is_suggested() -> None:
    with pytest.raises(ValueError, match="did you mean 'laplace'"):
        MECHANISMS["laplacee"]
