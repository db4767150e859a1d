# SPDX-License-Identifier: Apache-2.0
"""What an attack is given is checked when it is made."""

import pytest
import torch

from semveil.attacks import KnownPairs, Observation, PublicKnowledge
from semveil.mechanisms import ClipBox

RECEIVED = torch.zeros(2, 3, 4)


def public(codes=(1,), latents=None):
    latents = torch.full((5, 3, 4), 9.0) if latents is None else latents
    return PublicKnowledge(codes, ClipBox(-1.0, 1.0), latents, synthesize=lambda x: x)


def test_public_latents_are_clipped_and_codes_split():
    known = public((0, 2))
    assert float(known.latents.max()) == 1.0
    assert (known.private, known.common) == ([0, 2], [1])
    assert known.prior is known.prior  # fitted once


@pytest.mark.parametrize("codes", [(), (2, 1), (1, 1), (3,), (-1,)])
def test_bad_private_codes_are_refused(codes):
    with pytest.raises(ValueError, match=r"ascending indices in 0\.\.2"):
        public(codes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise_variance": torch.zeros(3)}, "noise_variance must be"),
        ({"noise_variance": torch.tensor([1.0, float("nan")])}, "finite and >= 0"),
        ({"noise_scale": 0.0}, "finite and > 0"),
        ({"repeats": torch.zeros(2, 2, 3)}, "repeats must be"),
        ({"received": torch.zeros(2, 3)}, "received must be"),
    ],
)
def test_bad_observations_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Observation(**{"received": RECEIVED, "noise_variance": torch.zeros(2)} | change)


def test_one_variance_per_photo_or_per_code():
    assert Observation(RECEIVED, torch.tensor([1.0, 2.0])).code_variance.tolist() == [[1.0] * 3, [2.0] * 3]
    assert Observation(RECEIVED, torch.ones(2, 3)).code_variance.shape == (2, 3)


def test_shots_count_the_first():
    assert Observation(RECEIVED, torch.zeros(2), repeats=torch.ones(4, 2, 3, 4)).shots.shape == (5, 2, 3, 4)


def test_pairs_must_match():
    with pytest.raises(ValueError, match="of one shape"):
        KnownPairs(torch.zeros(3, 3, 4), torch.zeros(4, 3, 4))
    assert len(KnownPairs(torch.zeros(5, 3, 4), torch.zeros(5, 3, 4)).first(2)) == 2
