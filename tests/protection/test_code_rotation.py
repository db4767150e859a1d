# SPDX-License-Identifier: Apache-2.0
"""Rotation code by code: Bob gets the block back, and nothing that is sent depends on the photo; planted
faults are seen.
"""

import math
from fractions import Fraction

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats

from semveil.core.errors import KeyProblem
from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox
from semveil.privacy.guarantee import Basis
from semveil.protection.code_rotation import FIRST_STEPS_ERROR, STEP_ERROR, CodeNorms, CodeRotation
from semveil.protection.haar import apply_haar, haar_normals
from semveil.protection.rotation import FINE, MASK_DEVIATION, draw_mask
from semveil.protection.rotation_space import LEVELS, NORM_SCALE, RotationSpace

BOX = ClipBox(-1.5, 3.4)
CODES, STYLE = 28, 8
PRIVATE = (0, 1, 4, 5, 6, 7, 8)


def space(codes=PRIVATE, *, width: int = STYLE, **options) -> RotationSpace:
    rng = torch.Generator().manual_seed(0)
    factors = torch.randn(12, CODES, width, generator=rng) * torch.logspace(-0.5, -1.5, 12)[:, None, None]
    mean, residual = (
        0.9 + 0.1 * torch.randn(CODES, width, generator=rng),
        0.1 + 0.1 * torch.rand(CODES, width, generator=rng),
    )
    return RotationSpace.from_prior(mean, factors, residual, codes, **options)


def rotation(codes=PRIVATE, **options) -> CodeRotation:
    return CodeRotation(space(codes, **options), BOX)


def streams(count: int, message: int = 0) -> list[KeyStream]:
    return [
        KeyStream(message.to_bytes(16, "little") + image.to_bytes(16, "little")) for image in range(count)
    ]


def blocks(count: int, codes: int = 7, seed: int = 1, width: int = STYLE) -> torch.Tensor:
    return BOX.clip(
        0.9 + 0.5 * torch.randn(count, codes, width, generator=torch.Generator().manual_seed(seed))
    )


@pytest.mark.parametrize(
    ("codes", "whitening"), [((3,), 0.5), (PRIVATE, 0.0), (PRIVATE, 0.5), (range(CODES), 1.0)]
)
def test_bob_gets_any_codes_back(codes, whitening, monkeypatch):
    monkeypatch.setattr(
        "semveil.protection.code_rotation.NORMALS_AT_ONCE", 2 * len(codes) * haar_normals(STYLE)
    )
    protection, block = rotation(codes, whitening=whitening), blocks(5, len(codes))
    protected = protection.protect(block, streams(5))
    assert len(protected.side) == 5 * protection.side_bytes == 20 * len(codes)
    bob = protection.deprotect(protected.sent, protected.side, streams(5))
    torch.testing.assert_close(bob, block, atol=1e-4, rtol=0)
    alone = protection.protect(block[4:], [streams(5)[4]])  # batches change nothing
    assert (
        torch.equal(alone.sent, protected.sent[4:]) and alone.side == protected.side[-protection.side_bytes :]
    )


def test_all_that_is_sent_lies_on_public_spheres():
    protection = rotation()
    ends = torch.stack([protection.space.mean.float(), torch.full((7, STYLE), 3.4)])
    sent = protection.protect(torch.cat([blocks(20), ends]), streams(22)).sent.double().numpy()
    masks = np.stack([draw_mask(s, 7 * STYLE) for s in streams(22)]).reshape(-1, 7, STYLE) * protection._step
    radii = protection._step[:, 0] * FINE * math.sqrt(STYLE)
    np.testing.assert_allclose(np.linalg.norm(sent - masks, axis=2), np.tile(radii, (22, 1)), rtol=1e-6)
    signal = protection.space.signal**2 * 7 * STYLE / (1 + MASK_DEVIATION**2)
    assert (radii**2).sum() == pytest.approx(signal)
    usual = protection.norms.usual.numpy()
    np.testing.assert_allclose(radii / radii[0], usual / usual[0])


def faults() -> dict[str, tuple]:
    """Ways to get it wrong, as (protection, what it sends for blocks)."""
    protection = rotation((0, 1))

    def sent(rows: torch.Tensor, message: int) -> torch.Tensor:
        return protection.protect(rows, streams(len(rows), message)).sent.double()

    def norms(rows: torch.Tensor) -> torch.Tensor:
        return protection.space.to_coordinates(rows).unflatten(1, (2, STYLE)).norm(dim=2)

    def repeated(rows: torch.Tensor, message: int) -> torch.Tensor:
        u = protection.space.to_coordinates(rows).unflatten(1, (2, STYLE))
        units = (u / u.norm(dim=2, keepdim=True)).numpy()
        normals = np.stack([s.normals(haar_normals(STYLE)) for s in streams(len(rows), message)])
        return torch.from_numpy(np.stack([apply_haar(normals, units[:, k]) for k in range(2)], 1))

    return {
        "sound": sent,
        "norm in clear": lambda rows, message: sent(rows, message) * norms(rows)[:, :, None],
        "power by norm": lambda rows, message: (
            sent(rows, message) * norms(rows).square().sum(1).sqrt()[:, None, None]
        ),
        "one rotation for two codes": repeated,
    }


@pytest.mark.parametrize("name", faults())
def test_two_photos_cannot_be_told_apart_unless_a_fault_is_planted(name):
    """Kolmogorov-Smirnov tests of projections, energies per code, shares of power and the angle between
    codes.
    """
    count, send = 2000, faults()[name]
    photos = blocks(1, 2, seed=2), torch.cat([torch.full((1, 1, STYLE), 3.4), blocks(1, 1, seed=5)], 1)
    heard = [send(photo.expand(count, -1, -1), message) for message, photo in enumerate(photos)]
    axis = (photos[1] - photos[0]).double().flatten()
    looks = {
        "along the difference": lambda h: h.flatten(1) @ axis,
        "one number": lambda h: h[:, 0, 0],
        "energy of a code": lambda h: h[:, 0].norm(dim=1),
        "energy": lambda h: h.flatten(1).norm(dim=1),
        "share of a code": lambda h: h[:, 0].norm(dim=1) / h.flatten(1).norm(dim=1),
        "angle between codes": lambda h: (h[:, 0] * h[:, 1]).sum(1),
    }
    worst = min(stats.ks_2samp(*[look(h).numpy() for h in heard]).pvalue for look in looks.values())
    assert (worst > 1e-5) == (name == "sound")


def test_each_code_is_uniform_on_its_sphere():
    protection, count = rotation((0, 1)), 3000
    sent = protection.protect(blocks(1, 2).expand(count, -1, -1), streams(count, 3)).sent.double().numpy()
    masks = (
        np.stack([draw_mask(s, 2 * STYLE) for s in streams(count, 3)]).reshape(-1, 2, STYLE)
        * protection._step
    )
    unit = (sent - masks) / (protection._step * FINE * math.sqrt(STYLE))
    for code in range(2):
        assert stats.kstest(unit[:, code, 5] ** 2, stats.beta(0.5, (STYLE - 1) / 2).cdf).pvalue > 1e-5
    between = (unit[:, 0] * unit[:, 1]).sum(1)
    assert stats.kstest(between**2, stats.beta(0.5, (STYLE - 1) / 2).cdf).pvalue > 1e-5


def test_norms_below_the_floor_are_level_0_and_read_as_nothing():
    protection = rotation()
    norms = protection.norms
    cases = [torch.zeros(7), norms.floor * 0.999, norms.floor * 1.001, norms.usual, norms.usual * 1e9]
    levels = norms.level(torch.stack(cases))
    assert (
        levels[0].eq(0).all()
        and levels[1].eq(0).all()
        and levels[2].ge(1).all()
        and levels[4].eq(LEVELS - 1).all()
    )
    torch.testing.assert_close(norms.norm(levels)[3], norms.usual)
    assert norms.norm(levels)[0].eq(0).all()
    centre = protection.space.mean.float()[None]
    protected = protection.protect(centre, streams(1))
    torch.testing.assert_close(
        protection.deprotect(protected.sent, protected.side, streams(1)), centre, atol=1e-3, rtol=0
    )


@pytest.mark.parametrize("whitening", [0.0, 0.5])
def test_the_law_of_the_norms_is_that_of_the_public_prior(whitening):
    """Against draws from the space's own covariance; where codes vary less than NORM_SCALE says, it is the
    floor.
    """
    here = space(PRIVATE, whitening=whitening)
    norms = CodeNorms.of(here)
    rng, n = torch.Generator().manual_seed(4), here.dimension
    white = torch.randn(20_000, n, generator=rng, dtype=torch.float64)
    root = here.across ** (1 - whitening)
    u = root * white + (white @ here.directions.T * (here.along ** (1 - whitening) - root)) @ here.directions
    drawn = u.unflatten(1, here.mean.shape).norm(dim=2)
    torch.testing.assert_close(drawn.square().mean(0).sqrt(), norms.usual, rtol=0.03, atol=0)
    spread = drawn.log().std(0) * math.sqrt(3) / math.pi
    wide = norms.scale > NORM_SCALE
    assert wide.any()
    # a gamma law is near, not exact
    torch.testing.assert_close(spread[wide], norms.scale[wide], rtol=0.35, atol=0)
    assert (spread[~wide] <= NORM_SCALE * 1.15).all()


def test_a_wrong_key_or_side_information_reads_as_some_block():
    protection = rotation()
    protected = protection.protect(blocks(4), streams(4))
    truth = protection.deprotect(protected.sent, protected.side, streams(4))
    size = 4 * protection.side_bytes
    for side in (bytes(size), b"\xff" * size, bytes(i % 251 for i in range(size))):
        read = protection.deprotect(protected.sent, side, streams(4, message=9))
        assert torch.isfinite(read).all() and not torch.allclose(read, truth, atol=0.3)
    assert torch.isfinite(protection.interpret(protected.sent)).all()
    usual = (
        protection.space.to_coordinates(protection.interpret(protected.sent))
        .unflatten(1, (7, STYLE))
        .norm(dim=2)
    )
    torch.testing.assert_close(usual, protection.norms.usual.expand(4, 7), rtol=1e-4, atol=0)


@pytest.mark.parametrize(("shape", "most"), [((28, 64), 1e-8), ((28, 512), 3e-7), ((7, 64), 1e-8)])
def test_delta_is_small(shape, most):
    protection = CodeRotation(RotationSpace.from_box(BOX, shape), BOX)
    assert 0 < protection.delta < most
    guarantee = protection.guarantee("all codes")
    assert (guarantee.epsilon, guarantee.basis, guarantee.delta) == (
        0.0,
        Basis.COMPUTATIONAL,
        protection.delta,
    )


@pytest.mark.parametrize(("codes", "width"), [(28, 64), (7, 12)])
def test_delta_is_the_sum_that_its_proof_gives(codes, width):
    """Term by term in exact fractions: errors of all steps and of the first four, rounding to the fine grid,
    the lattice.
    """
    steady, rare = Fraction(3 * width * (width + 1) + 202 * width + 10, 2**53), Fraction(2300, 2**53)
    moved = math.sqrt(codes * width) * float(steady * 2**46 + 1) + codes * math.sqrt(width) * float(
        rare * 2**46
    )
    lattice = float(Fraction(codes * sum(range(1, width + 1)), 2**51))
    delta = CodeRotation(RotationSpace.from_box(BOX, (codes, width)), BOX).delta
    # of a mask of 43 bits
    assert delta == pytest.approx(math.sqrt(3.12) * moved / 2**43 + lattice, rel=1e-12)


def test_errors_of_steps_stay_below_the_bounds_of_the_proof():
    """One step G_d from normals with 50 digits against the machine's: root mean square for d >= 5, mean for
    the first four.
    """
    rng, trials = np.random.default_rng(7), 60
    found: dict[int, list[float]] = {}
    for trial in range(trials):
        for d in (2, 3, 4, 5, 9):
            stream = KeyStream(trial.to_bytes(16, "little") + d.to_bytes(16, "little"))
            words = KeyStream(trial.to_bytes(16, "little") + d.to_bytes(16, "little")).integers(8 * d + 40)
            x, exact = stream.normals(d), exact_normals(words, d)
            vector = rng.standard_normal(d)
            vector /= np.linalg.norm(vector)
            with mpmath.workdps(50):
                truth, rounded = (
                    reflect(list(map(mpmath.mpf, n)), list(map(mpmath.mpf, vector))) for n in (exact, x)
                )
                error = mpmath.norm([a - b for a, b in zip(truth, rounded, strict=True)])
            found.setdefault(d, []).append(float(error) * 2.0**53)
    for d, errors in found.items():
        if d < 5:
            assert 0 < np.mean(errors) < FIRST_STEPS_ERROR / 3
        else:
            assert 0 < np.sqrt(np.mean(np.square(errors))) < STEP_ERROR


def exact_normals(words: np.ndarray, count: int) -> list[mpmath.mpf]:
    out: list[mpmath.mpf] = []
    with mpmath.workdps(50):
        for a, b in words.reshape(-1, 2).tolist():
            v = [mpmath.mpf(2 * (w >> 11) + 1 - 2**53) / 2**53 for w in (a, b)]
            s = v[0] ** 2 + v[1] ** 2
            if s < 1:
                out += [value * mpmath.sqrt(-2 * mpmath.log(s) / s) for value in v]
    return out[:count]


def reflect(x: list, vector: list) -> list:
    sign = -1 if x[0] < 0 else 1
    w = [x[0] + sign * mpmath.sqrt(mpmath.fdot(x, x)), *x[1:]]
    factor = 2 * mpmath.fdot(w, vector) / mpmath.fdot(w, w)
    return [-sign * (t - factor * v) for t, v in zip(vector, w, strict=True)]


def test_gradients_pass_protection_and_its_removal_as_the_identity():
    protection, block = rotation(), blocks(3).double().requires_grad_()
    weights = torch.randn(3, 7, STYLE, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    protected = protection.protect(block, streams(3))
    bob = protection.deprotect(protected.sent, protected.side, streams(3))
    (gradient,) = torch.autograd.grad((bob * weights).sum(), block)
    inside = (block > BOX.lower) & (block < BOX.upper)
    # lengths differ by the mask's rounding alone
    torch.testing.assert_close(gradient, weights * inside, atol=0.05, rtol=0)
    plain = protection.protect(block.detach(), streams(3))
    assert torch.equal(protected.sent, plain.sent) and not plain.sent.requires_grad


def test_the_gradient_of_what_is_sent_is_the_derivative_at_constant_norms():
    protection, block = rotation((0, 1)), 0.9 + 0.2 * blocks(1, 2).double()
    u = protection.space.to_coordinates(block).unflatten(1, (2, STYLE))
    step = torch.randn(1, 2, STYLE, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    step -= u * (u * step).sum(2, keepdim=True) / u.square().sum(2, keepdim=True)  # along the spheres
    change = 1e-5 * (protection.space.from_coordinates(step.flatten(1)) - protection.space.mean)
    before, after = (protection.protect(b, streams(1)).sent for b in (block - change, block + change))
    weights = torch.randn(1, 2, STYLE, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    block.requires_grad_()
    (gradient,) = torch.autograd.grad((protection.protect(block, streams(1)).sent * weights).sum(), block)
    assert float((gradient * change).sum()) == pytest.approx(
        float(((after - before) / 2 * weights).sum()), rel=1e-4
    )


def test_nan_wrong_shapes_streams_and_sides_are_refused():
    protection, block = rotation(), blocks(2)
    with pytest.raises(ValueError, match="NaN"):
        protection.protect(torch.full_like(block, math.nan), streams(2))
    with pytest.raises(ValueError, match="blocks"):
        protection.protect(block[:, :3], streams(2))
    with pytest.raises(KeyProblem, match="streams"):
        protection.protect(block, streams(1) * 2)
    with pytest.raises(KeyProblem, match="side"):
        protection.deprotect(block, bytes(8), streams(2))
