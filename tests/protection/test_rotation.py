# SPDX-License-Identifier: Apache-2.0
"""Keyed rotation: Bob gets the block back, nobody else learns anything of it, and the proof's ingredients
hold.
"""

import dataclasses
import hashlib
import json
import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from semveil.core.errors import KeyProblem
from semveil.keys.keystream import KeyStream
from semveil.mechanisms import ClipBox
from semveil.privacy.guarantee import Basis
from semveil.protection.rotation import (
    FINE,
    FISHER_INFORMATION,
    MASK_BITS,
    MASK_DEVIATION,
    Rotation,
    draw_mask,
)
from semveil.protection.rotation_space import LEVELS, NORM_SCALE, RotationSpace

BOX = ClipBox(-1.5, 3.4)
CODES, STYLE = 28, 8


def prior(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    mean = 0.9 + 0.1 * torch.randn(CODES, STYLE, generator=rng)
    factors = torch.randn(12, CODES, STYLE, generator=rng) * torch.logspace(-0.5, -1.5, 12)[:, None, None]
    return mean, factors, 0.1 + 0.1 * torch.rand(CODES, STYLE, generator=rng)


def rotation(codes=(0, 1, 4, 5, 6, 7, 8), **options) -> Rotation:
    return Rotation(RotationSpace.from_prior(*prior(), codes, **options), BOX)


def streams(count: int, message: int = 0) -> list[KeyStream]:
    return [
        KeyStream(message.to_bytes(16, "little") + image.to_bytes(16, "little")) for image in range(count)
    ]


def blocks(count: int, codes: int = 7, seed: int = 1) -> torch.Tensor:
    return BOX.clip(
        0.9 + 0.5 * torch.randn(count, codes, STYLE, generator=torch.Generator().manual_seed(seed))
    )


@settings(max_examples=25, deadline=None)
@given(st.sets(st.integers(0, CODES - 1), min_size=1), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_bob_gets_any_set_of_codes_back(codes, whitening):
    protection, block = rotation(sorted(codes), whitening=whitening), blocks(3, len(codes))
    protected = protection.protect(block, streams(3))
    assert len(protected.side) == 3 * protection.side_bytes
    bob = protection.deprotect(protected.sent, protected.side, streams(3))
    norms = protection.space.to_coordinates(block).norm(dim=1) / protection.space.usual_norm
    inside = (norms > 0.5) & (norms < 2.0)  # well within the levels; a block of few codes may lie outside
    assert (bob - block)[inside].abs().max() < 5e-3 if inside.any() else True


@pytest.mark.parametrize("at_once", [60_000, 20_000])  # two images at a time; each in pieces
def test_all_codes_of_a_real_size_and_several_batches(monkeypatch, at_once):
    monkeypatch.setattr("semveil.protection.rotation.NORMALS_AT_ONCE", at_once)
    protection, block = rotation(range(CODES), whitening=0.0), blocks(5, CODES)
    protected = protection.protect(block, streams(5))
    torch.testing.assert_close(
        protection.deprotect(protected.sent, protected.side, streams(5)), block, atol=2e-3, rtol=0
    )
    alone = protection.protect(block[3:4], [streams(5)[3]])
    torch.testing.assert_close(alone.sent, protected.sent[3:4])


def test_messages_as_they_were_are_the_same_to_the_bit():
    """Digest of what was sent before rotations were drawn in pieces."""
    protection = Rotation(RotationSpace.from_box(BOX, (7, STYLE)), BOX)
    keys = [KeyStream(bytes(31) + bytes([image])) for image in range(2)]
    protected = protection.protect(torch.linspace(-1.4, 3.3, 112).view(2, 7, STYLE), keys)
    assert protected.side.hex() == "fd53a45efd53a454"
    digest = "6e4c37656f66b93a5635bfda95c7f895848ddaa0a80fa4ee94cd9aaabe2fc86c"
    assert hashlib.sha256(protected.sent.numpy().tobytes()).hexdigest() == digest


def test_a_space_from_a_box_alone():
    protection = Rotation(RotationSpace.from_box(BOX, (7, STYLE)), BOX)
    block = blocks(2)
    protected = protection.protect(block, streams(2))
    assert (protection.deprotect(protected.sent, protected.side, streams(2)) - block).abs().max() < 1e-2


@pytest.mark.parametrize("whitening", [0.0, 0.5, 1.0])
def test_coordinates_are_those_of_the_dense_covariance(whitening):
    mean, factors, residual = prior()
    codes = [0, 3, 9]
    space = RotationSpace.from_prior(mean, factors, residual, codes, whitening=whitening)
    rows = factors[:, codes].flatten(1).double()
    covariance = rows.T @ rows + residual[codes].double().square().mean() * torch.eye(rows.shape[1])
    values, vectors = torch.linalg.eigh(covariance)
    power = vectors @ torch.diag(values ** (-whitening / 2)) @ vectors.T
    block = blocks(4, 3).double()
    torch.testing.assert_close(space.to_coordinates(block), (block - space.mean).flatten(1) @ power)
    torch.testing.assert_close(space.from_coordinates(space.to_coordinates(block)), block)
    assert space.usual_norm == pytest.approx(float((values ** (1 - whitening)).sum().sqrt()))


def test_the_sent_power_is_public_and_the_priors():
    protection = rotation()
    sent = protection.protect(torch.cat([blocks(200), torch.full((1, 7, STYLE), 3.4)]), streams(201)).sent
    power = sent.double().square().mean((1, 2)) / protection.space.signal**2
    n = protection.space.dimension
    # norm of the direction is fixed; the mask's share varies by 2 MASK_DEVIATION / sqrt(n) about
    assert (power - 1).abs().max() < 6 * 2 * MASK_DEVIATION / n**0.5


def test_without_the_mask_all_lie_on_one_sphere():
    protection = rotation()
    n = protection.space.dimension
    sent = protection.protect(blocks(20), streams(20)).sent.double().flatten(1).numpy()
    masks = np.stack([draw_mask(stream, n) for stream in streams(20)]) * protection._step
    norms = np.linalg.norm(sent - masks, axis=1)
    np.testing.assert_allclose(norms, protection._step * FINE * math.sqrt(n), rtol=1e-6)


def test_two_photos_are_indistinguishable_but_not_under_one_stream():
    protection, count = rotation((0, 1)), 3000
    one, other = blocks(1, 2, seed=2), torch.full((1, 2, STYLE), 3.4)
    axis = (other - one).flatten().double()
    axis /= axis.norm()
    heard = [
        protection.protect(block.expand(count, -1, -1), streams(count, message)).sent.flatten(1).double()
        for message, block in enumerate((one, other))
    ]
    for direction in (axis, torch.eye(16, dtype=torch.float64)[0], torch.eye(16, dtype=torch.float64)[-1]):
        assert stats.ks_2samp(*[(h @ direction).numpy() for h in heard]).pvalue > 1e-5
    assert stats.ks_2samp(*[h.norm(dim=1).numpy() for h in heard]).pvalue > 1e-5
    independent = (heard[0] * heard[1]).sum(1) / heard[0].norm(dim=1) / heard[1].norm(dim=1)
    assert abs(float(independent.mean())) < 4.5 / math.sqrt(16 * count)
    # one stream for two images shows the angle between them: the same photo is seen to be the same
    again = [protection.protect(one, streams(1)).sent for _ in range(2)]
    assert torch.equal(*again)


def test_projections_follow_the_law_of_the_sphere_and_the_mask():
    protection, count = rotation((0, 1)), 4000
    n = protection.space.dimension
    sent = (
        protection.protect(blocks(1, 2).expand(count, -1, -1), streams(count, 3))
        .sent.flatten(1)
        .double()
        .numpy()
    )
    masks = np.stack([draw_mask(stream, n) for stream in streams(count, 3)]) * protection._step
    unit = (sent - masks) / (protection._step * FINE * math.sqrt(n))
    assert stats.kstest(unit[:, 5] ** 2, stats.beta(0.5, (n - 1) / 2).cdf).pvalue > 1e-5
    terms = masks / protection._step / 2.0**MASK_BITS + 2
    law = stats.norm(2, math.sqrt(4 / 12))
    assert stats.kstest(terms.ravel()[:4000], stats.irwinhall(4).cdf).pvalue > 1e-5
    assert stats.kstest(terms.ravel(), law.cdf).pvalue < 1e-5  # the test tells it from a normal


@pytest.mark.parametrize("levels", [16, 64])
def test_the_masks_law_moves_little_under_a_shift(levels):
    """Total variation between the law of a sum of four uniforms and its shift, against the bound that delta
    uses.
    """
    law = np.ones(levels) / levels
    for _ in range(3):
        law = np.convolve(law, np.ones(levels) / levels)
    for shift in (1, 2, 5):
        padded = np.pad(law, (shift, shift))
        variation = np.abs(padded[shift:] - padded[:-shift]).sum() / 2
        information = FISHER_INFORMATION * (1 + 2 / levels)  # discrete at so few levels
        assert variation <= math.sqrt(information) * shift / levels / 2
    cubic = lambda x: (-3 * x**3 + 12 * x**2 - 12 * x + 4) / 6  # noqa: E731
    x = np.linspace(1, 2, 200_001)
    score = ((-9 * x**2 + 24 * x - 12) / 6) ** 2 / cubic(x)
    assert (
        2 * (0.75 + np.trapezoid(score, x)) == pytest.approx(3.1157, abs=1e-4) and FISHER_INFORMATION > 3.1157
    )


@pytest.mark.parametrize("style", [8, 64])
def test_delta_is_the_sum_that_its_proof_gives(style):
    """Term by term in exact fractions: errors of the steps, rounding to the fine grid, the lattice of the
    normals.
    """
    n = 7 * style
    error = sum(Fraction(6 * d + 50 + 950, 2**53) for d in range(1, n + 1))
    moved = math.sqrt(n) * float((error * 2**46 + 1) / 2**43)  # of a mask of 43 bits, in steps of 2^-46
    lattice = float(Fraction(sum(range(1, n + 1)), 2**51))
    delta = Rotation(RotationSpace.from_box(BOX, (7, style)), BOX).delta
    assert delta == pytest.approx(math.sqrt(3.12) * moved + lattice, rel=1e-12)


def test_delta_is_small_and_grows_with_the_block():
    deltas = [Rotation(RotationSpace.from_box(BOX, (7, style)), BOX).delta for style in (8, 64, 512)]
    assert deltas == sorted(deltas) and 0 < deltas[1] < 5e-8 and deltas[2] < 5e-6


def test_the_guarantee_says_what_it_is():
    guarantee = rotation().guarantee("the private codes", not_covered=["the common codes"])
    assert (guarantee.epsilon, guarantee.basis) == (0.0, Basis.COMPUTATIONAL)
    assert 0 < guarantee.delta < 1e-7 and guarantee.whole_record_epsilon is None
    assert any("key" in text for text in guarantee.assumptions)


def test_every_side_information_and_key_reads_as_some_block():
    protection = rotation()
    protected = protection.protect(blocks(4), streams(4))
    truth = protection.deprotect(protected.sent, protected.side, streams(4))
    for side in (bytes(16), b"\xff" * 16, bytes(range(16))):
        read = protection.deprotect(protected.sent, side, streams(4, message=9))
        assert torch.isfinite(read).all() and not torch.allclose(read, truth, atol=0.3)
        assert read.abs().max() < 40
    assert torch.isfinite(protection.interpret(protected.sent)).all()


def test_levels_cover_norms_evenly_and_invert():
    space = rotation().space
    levels = torch.arange(0, LEVELS, LEVELS >> 16)
    norms = space.norm_of_level(levels)
    assert (norms.diff() > 0).all()
    assert torch.equal(space.norm_level(norms), levels)
    assert space.norm_level(torch.tensor([0.0, 1e9])).tolist() == [0, LEVELS - 1]


def test_a_wrong_key_gives_usual_norms():
    space = rotation().space
    drawn = space.norm_of_level(torch.randint(LEVELS, (5000,), generator=torch.Generator().manual_seed(0)))
    spread = (drawn / space.usual_norm).log().numpy()
    assert stats.kstest(spread, stats.logistic(scale=NORM_SCALE).cdf).pvalue > 1e-5
    assert np.mean(np.abs(spread) < 0.4) > 0.98


def test_a_block_at_the_centre_or_far_outside_is_sent_like_any_other():
    protection = rotation()
    block = torch.stack([protection.space.mean.float(), torch.full((7, STYLE), 1e6)])
    protected = protection.protect(block, streams(2))
    assert torch.isfinite(protected.sent).all()
    centre = protection.deprotect(protected.sent, protected.side, streams(2))[0]
    assert torch.isfinite(centre).all()


def test_bob_hears_less_noise_than_in_the_open():
    protection, codes = rotation(), [0, 1, 4, 5, 6, 7, 8]
    mean, factors, residual = (t[..., codes, :] for t in prior())
    rng = torch.Generator().manual_seed(3)
    block = mean + torch.einsum("br,rkd->bkd", torch.randn(50, 12, generator=rng), factors)
    block = BOX.clip(block + residual * torch.randn(50, 7, STYLE, generator=rng))
    protected = protection.protect(block, streams(50))
    noise = 0.1 * protection.space.signal * torch.randn(block.shape, generator=rng)
    bob = protection.deprotect(protected.sent + noise, protected.side, streams(50))
    assert (bob - block).square().mean() < 0.8 * noise.square().mean()


def test_parameters_are_json_and_bind_the_space():
    digests = set()
    for options in ({}, {"whitening": 0.4}, {"codes": (0, 1)}):
        parameters = rotation(**options).parameters()
        assert json.loads(json.dumps(parameters)) == parameters
        digests.add(parameters["space"])
    digests.add(RotationSpace.from_prior(*prior(1), (0, 1, 4, 5, 6, 7, 8)).digest)
    assert len(digests) == 4
    assert rotation().parameters() == rotation().parameters()


def test_nan_wrong_shapes_streams_and_sides_are_refused():
    protection, block = rotation(), blocks(2)
    bad = block.clone()
    bad[0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="NaN"):
        protection.protect(bad, streams(2))
    with pytest.raises(ValueError, match="blocks"):
        protection.protect(block[:, :3], streams(2))
    stream = streams(1)[0]
    for wrong in (streams(1), streams(3), [stream, stream]):
        with pytest.raises(KeyProblem, match="streams"):
            protection.protect(block, wrong)
    with pytest.raises(KeyProblem, match="side"):
        protection.deprotect(block, b"\0" * 3, streams(2))
    with pytest.raises(ValueError, match="whitening"):
        rotation(whitening=1.5)


def test_types_and_inputs_stay_as_they_are():
    protection, block = rotation(), blocks(2).double()
    before = block.clone()
    protected = protection.protect(block, streams(2))
    assert protected.sent.dtype == torch.float64 and torch.equal(block, before)
    assert dataclasses.is_dataclass(protected)
