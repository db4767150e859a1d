# SPDX-License-Identifier: Apache-2.0
"""What the release of every registered mechanism must do, whatever its law."""

import inspect
import json

import pytest
import torch

from semveil.mechanisms import MECHANISMS, CoordinateSensitivity, ExactRelease
from semveil.privacy.guarantee import Basis, Sensitivity

every_mechanism = pytest.mark.parametrize("name", list(MECHANISMS))


def example(
    name: str, count: int = 5, dtype: torch.dtype = torch.float32
) -> tuple[ExactRelease, object, torch.Tensor]:
    mechanism, sensitivity = MECHANISMS[name].example()
    shape = (
        sensitivity.values.shape
        if isinstance(sensitivity, CoordinateSensitivity)
        else (sensitivity.dimension,)
    )
    x = torch.arange(count, dtype=dtype).reshape(count, *(1 for _ in shape)).expand(count, *shape)
    return ExactRelease(mechanism), sensitivity, x


@every_mechanism
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_keeps_shape_type_and_input_and_lies_on_the_grid(name: str, dtype: torch.dtype) -> None:
    release, _, x = example(name, dtype=dtype)
    before = x.clone()
    y = release(x)
    assert release.name == name
    assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
    assert torch.equal(x, before)
    assert torch.isfinite(y).all()
    assert not (y.double() / release.step).frac().any()
    assert (x.double() + 0.3 / release.step).frac().any()  # the check can fail


@every_mechanism
def test_no_two_releases_and_no_two_records_share_noise(name: str) -> None:
    release, _, x = example(name)
    rows = torch.cat([release(x * 0), release(x * 0)])
    assert len({tuple(row.flatten().tolist()) for row in rows}) == len(rows)


@every_mechanism
def test_nothing_seeds_a_release(name: str) -> None:
    release, _, x = example(name)
    assert list(inspect.signature(release).parameters) == ["x"]
    torch.manual_seed(1)
    first = release(x)
    torch.manual_seed(1)
    assert not torch.equal(first, release(x))


@every_mechanism
def test_noise_has_the_spread_of_the_mechanism(name: str) -> None:
    release, _, x = example(name, 20_000, torch.float64)
    noise = release(x * 0)
    expected = torch.as_tensor(release.mechanism.coordinate_std(noise[0].numel())).double()
    # the standard error of a standard deviation is below sqrt((kurtosis - 1) / 4n), kurtosis at most 6 here
    assert (noise.std(0) / expected - 1).abs().max() < 5 * (5 / 4 / len(noise)) ** 0.5


@every_mechanism
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 29.93, 800.0])
def test_the_guarantee_is_proved_and_no_smaller_than_the_ideal_one(name: str, epsilon: float) -> None:
    kind = MECHANISMS[name]
    _, sensitivity = kind.example()
    mechanism = kind.calibrate(sensitivity, epsilon)
    claim = ExactRelease(mechanism).guarantee(
        sensitivity, covers="the private codes", not_covered=["the common codes"]
    )
    assert claim.basis is Basis.PROVED
    assert claim.epsilon == pytest.approx(epsilon, rel=1e-9)
    assert claim.epsilon >= mechanism.guarantee(sensitivity).epsilon * (1 - 1e-12)
    assert (claim.covers, claim.whole_record_epsilon) == ("the private codes", None)
    json.dumps(claim.as_dict(), allow_nan=False)


@every_mechanism
def test_sensitivities_that_do_not_fit_are_refused(name: str) -> None:
    release, right, _ = example(name)
    for other in (kind.example()[1] for kind in (MECHANISMS[n] for n in MECHANISMS)):
        if type(other) is type(right) and (not isinstance(other, Sensitivity) or other.norm == right.norm):
            continue
        with pytest.raises((ValueError, TypeError)):
            release.guarantee(other)


@every_mechanism
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e38])
def test_records_that_are_not_finite_or_huge_are_refused(name: str, bad: float) -> None:
    release, _, x = example(name)
    x = x.clone()
    x[2] = bad
    with pytest.raises(ValueError, match=r"NaN or infinite|clip them"):
        release(x)
