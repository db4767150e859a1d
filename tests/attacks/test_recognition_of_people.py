# SPDX-License-Identifier: Apache-2.0
"""Linking, naming and describing people: each finds what is there and guesses where nothing is."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, mannwhitneyu

from semveil.attacks import auc, infer_attribute, link, rate, reidentify
from semveil.attacks.intervals import resampled

# a share of wrong candidates is uniform; 150 photos
GUESSED = pytest.approx(0.5, abs=4 * (1 / 12 / 150) ** 0.5)


def turned(block: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Each photo's block turned by a rotation of its own: directions lost, lengths kept."""
    turns = torch.linalg.qr(torch.randn(len(block), block[0].numel(), block[0].numel(), generator=rng)).Q
    return torch.einsum("bij,bj->bi", turns, block.flatten(1)).view_as(block)


def receptions(world, codes, protect):
    for _ in range(2):
        sent = codes.clone()
        sent[:, world.private] = protect(codes[:, world.private])
        yield world.hear(sent, 0.01).received


def test_a_fixed_protection_is_linkable_and_fresh_noise_is_not(world):
    codes, fixed = world.latents(150), torch.randn(12, 12, generator=world.rng)
    found = link(*receptions(world, codes, lambda b: (b.flatten(1) @ fixed).view_as(b)), world.public)
    assert (
        found.private.low > 0.95
        and found.everything.low > 0.95
        and found.common is not None
        and found.common.low > 0.95
    )
    noise = link(*receptions(world, codes, lambda b: torch.randn(b.shape, generator=world.rng)), world.public)
    assert noise.private.value == GUESSED and noise.length.value == GUESSED
    assert noise.common is not None and noise.common.low > 0.95  # still in clear


def test_a_rotation_that_keeps_the_length_is_linkable_by_it(world):
    found = link(*receptions(world, world.latents(150), lambda b: turned(b, world.rng)), world.public)
    assert found.private.value == GUESSED
    assert found.length.low > 0.8


def test_linkage_needs_matching_receptions(world):
    with pytest.raises(ValueError, match="same B > 2 photos"):
        link(world.latents(2), world.latents(2), world.public)


def embeddings(noise: float, *, people: int = 60, photos: int = 2):
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(people, 16))
    names = [f"p{i:02d}" for i in range(people)]
    gallery = np.repeat(centres, photos, 0) + 0.3 * rng.normal(size=(people * photos, 16))
    probes = (0 if noise == np.inf else centres) + (1 if noise == np.inf else noise) * rng.normal(
        size=(people, 16)
    )
    distance = np.linalg.norm(probes[:, None] - gallery[None], axis=2)
    return -distance, names, list(np.repeat(names, photos))


def test_people_are_found_when_the_face_is_there():
    found = reidentify(*embeddings(0.3))
    assert found.found[1].low > 0.9 and found.accepted[0.01].low > 0.8 and found.people == 60


def test_people_are_guessed_when_it_is_not():
    found = reidentify(*embeddings(np.inf))
    assert found.found[1].low < 1 / 60 < found.found[1].high
    assert found.found[10].low < 10 / 60 < found.found[10].high
    assert found.accepted[0.01].low < 0.01 < found.accepted[0.01].high


def test_equal_scores_do_not_count_as_found():
    names = ["a", "b", "c"]
    assert reidentify(np.zeros((3, 3)), names, names, ranks=[1, 3], false_accepts=[0.5]).found[1].value == 0


@pytest.mark.parametrize(
    ("scores", "probes", "far", "message"),
    [
        (np.zeros((1, 2)), ["c"], 0.5, "not in it: c"),
        (np.full((1, 2), np.nan), ["a"], 0.5, "finite"),
        (np.zeros((1, 2)), ["a"], 0.01, "false accept rate of 0.01"),
    ],
)
def test_what_cannot_be_judged_is_refused(scores, probes, far, message):
    with pytest.raises(ValueError, match=message):
        reidentify(scores, probes, ["a", "b"], false_accepts=[far])


def test_an_attribute_in_the_codes_is_read_and_a_coin_is_not(world):
    known, attacked = world.latents(400), world.latents(300)
    told, truth = (codes[:, 3].sum(1) > 0 for codes in (known, attacked))
    assert infer_attribute(known, told, attacked, truth).low > 0.95
    coins = torch.rand(700, generator=world.rng) > 0.5
    guess = infer_attribute(known, coins[:400], attacked, coins[400:])
    assert guess.low < 0.5 < guess.high
    with pytest.raises(ValueError, match="both kinds"):
        infer_attribute(known, torch.ones(400), attacked, truth)


def test_intervals_agree_with_scipy():
    hits = np.arange(50) < 13
    exact = binomtest(13, 50).proportion_ci(method="exact")
    assert (rate(hits).low, rate(hits).high) == pytest.approx((exact.low, exact.high))
    assert rate(hits, units=10).high > rate(hits).high
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 40), rng.integers(2, 11, 30)
    assert auc(a, b) == pytest.approx(mannwhitneyu(a, b).statistic / 1200)
    x = rng.normal(size=400)
    mean = resampled(lambda rows: float(x[rows].mean()), 400)
    assert mean.high - mean.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
