# SPDX-License-Identifier: Apache-2.0
"""What every registered mechanism on the sphere must do, whatever its law."""

import inspect
import itertools
import json
import math

import pytest
import torch
from torch.nn.functional import normalize

from semveil.core.rng import streams
from semveil.mechanisms import SPHERE_MECHANISMS
from semveil.mechanisms.exact.sphere import STEP
from semveil.privacy.guarantee import Basis

D = 16
every_mechanism = pytest.mark.parametrize("name", list(SPHERE_MECHANISMS))


def unit_vectors(count: int = 5, dimension: int = D, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return normalize(torch.randn(count, dimension, generator=streams(0)["photos"], dtype=torch.float64)).to(
        dtype
    )


@every_mechanism
def test_registered_under_its_own_name(name: str) -> None:
    assert SPHERE_MECHANISMS[name].name == name


@every_mechanism
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("released", [False, True])
def test_unit_vectors_become_unit_vectors(name: str, dtype: torch.dtype, released: bool) -> None:
    mechanism = SPHERE_MECHANISMS[name].calibrate(D, 5.0)
    x = unit_vectors(dtype=dtype)
    before = x.clone()
    y = mechanism.release(x) if released else mechanism(x, rng=streams(1)["dp"])
    assert (y.shape, y.dtype, y.device) == (x.shape, x.dtype, x.device)
    assert torch.equal(x, before)
    rounding = math.sqrt(D) * STEP / 2 if released else 8 * torch.finfo(dtype).eps
    assert (y.double().norm(dim=1) - 1).abs().max() <= rounding
    on_grid = not (y.double() / STEP).frac().any()
    assert on_grid == released


@every_mechanism
@pytest.mark.parametrize("released", [False, True])
def test_no_photos_no_vectors(name: str, released: bool) -> None:
    mechanism = SPHERE_MECHANISMS[name].calibrate(D, 5.0)
    none = torch.empty(0, D)
    assert (mechanism.release(none) if released else mechanism(none)).shape == (0, D)


@every_mechanism
def test_same_stream_same_vectors_other_stream_other_vectors(name: str) -> None:
    mechanism = SPHERE_MECHANISMS[name].calibrate(D, 5.0)
    x = unit_vectors()
    assert torch.equal(mechanism(x, rng=streams(1)["dp"]), mechanism(x, rng=streams(1)["dp"]))
    assert not torch.equal(mechanism(x, rng=streams(1)["dp"]), mechanism(x, rng=streams(2)["dp"]))


@every_mechanism
def test_nothing_seeds_a_release_and_no_two_are_alike(name: str) -> None:
    mechanism = SPHERE_MECHANISMS[name].calibrate(D, 5.0)
    assert list(inspect.signature(mechanism.release).parameters) == ["x"]
    x = unit_vectors(1).expand(4, -1)
    torch.manual_seed(1)
    first = mechanism.release(x)
    torch.manual_seed(1)
    rows = torch.cat([first, mechanism.release(x), mechanism(x), mechanism(x)])
    assert len({tuple(row.tolist()) for row in rows}) == len(rows)


@every_mechanism
@pytest.mark.parametrize("dimension", [4, 128, 512])
@pytest.mark.parametrize("epsilon", [0.01, 1.0, 29.93, 400.0])
def test_calibrated_mechanisms_guarantee_what_was_asked(name: str, dimension: int, epsilon: float) -> None:
    mechanism = SPHERE_MECHANISMS[name].calibrate(dimension, epsilon)
    simulated, proved = (mechanism.guarantee(exact=exact, covers="the identity") for exact in (False, True))
    assert mechanism.epsilon == simulated.epsilon == pytest.approx(epsilon, rel=1e-9)
    assert proved.epsilon == pytest.approx(epsilon, rel=1e-9)
    assert (simulated.basis, proved.basis) == (Basis.SIMULATION, Basis.PROVED)
    assert (simulated.covers, simulated.delta) == ("the identity", 0.0)
    json.dumps(proved.as_dict(), allow_nan=False)


@every_mechanism
@pytest.mark.parametrize("dimension", [128, 512])
def test_the_largest_and_smallest_budgets(name: str, dimension: int) -> None:
    kept = [
        SPHERE_MECHANISMS[name].calibrate(dimension, e).cosine_kept()
        for e in (0.01, 0.1, 1, 10, 100, 400, 800)
    ]
    assert all(0 < low < high <= 1 for low, high in itertools.pairwise(kept))
    assert SPHERE_MECHANISMS[name].calibrate(dimension, 800.0).guarantee(exact=True).epsilon == pytest.approx(
        800, rel=1e-9
    )


@every_mechanism
@pytest.mark.parametrize("epsilon", [1.0, 10.0, 300.0])
def test_the_cosine_kept_is_that_of_the_samples(name: str, epsilon: float) -> None:
    n, d = 4_000, 128
    mechanism = SPHERE_MECHANISMS[name].calibrate(d, epsilon)
    x = unit_vectors(1, d, torch.float64).expand(n, -1)
    cosines = (mechanism(x, rng=streams(3)["dp"]) * x).sum(1)
    allowed = 4.5 * float(cosines.std()) / math.sqrt(n)
    # its closed form is one for large d
    approximate = 2 / d * mechanism.cosine_kept() if name == "laplace" else 0.0
    assert abs(float(cosines.mean()) - mechanism.cosine_kept()) < allowed + approximate
    weaker = SPHERE_MECHANISMS[name].calibrate(d, epsilon * 3 + 40)
    assert abs(float(cosines.mean()) - weaker.cosine_kept()) > allowed + approximate  # the check can fail


@every_mechanism
@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_budgets_are_refused(name: str, epsilon: float) -> None:
    with pytest.raises(ValueError, match="epsilon must be a positive"):
        SPHERE_MECHANISMS[name].calibrate(D, epsilon)


@every_mechanism
def test_small_spheres_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="dimension of at least 4, got 3"):
        SPHERE_MECHANISMS[name].calibrate(3, 1.0)


@every_mechanism
@pytest.mark.parametrize(
    ("x", "complaint"),
    [
        (torch.eye(D) * 1.001, "norm 1 within 0.0001, got 1.001; divide by it"),
        (torch.zeros(1, D), "got 0"),
        (torch.eye(D) * float("nan"), "NaN"),
        (torch.eye(D + 1), r"unit vectors \(B, 16\)"),
        (torch.eye(D)[0], "batch"),
        (torch.eye(D).long(), "floating-point"),
    ],
)
def test_what_is_no_batch_of_unit_vectors_is_refused(name: str, x: torch.Tensor, complaint: str) -> None:
    mechanism = SPHERE_MECHANISMS[name].calibrate(D, 5.0)
    for use in (mechanism, mechanism.release):
        with pytest.raises(ValueError, match=complaint):
            use(x)


@every_mechanism
def test_releases_refuse_half_precision(name: str) -> None:
    with pytest.raises(ValueError, match="float32 or float64"):
        SPHERE_MECHANISMS[name].calibrate(D, 5.0).release(torch.eye(D).half())


def test_near_miss_is_suggested() -> None:
    with pytest.raises(ValueError, match="did you mean 'privunit'"):
        SPHERE_MECHANISMS["privunitt"]
