# SPDX-License-Identifier: Apache-2.0
"""The paper's pair is an affine cipher: what it does and how it fails."""

import pytest
import torch

from semveil.protection.encrypted_pair import CodeMixer
from semveil.protection.linear_pair import LinearPair, PairSettings

SETTINGS = PairSettings((0, 1, 4), 8, 10.0, "as_published", 2.0)


def random_pair() -> LinearPair:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LinearPair(SETTINGS)


def test_protection_is_one_affine_map():
    pair, rng = random_pair(), torch.Generator().manual_seed(1)
    a, b = torch.randn(2, 5, 3, 8, generator=rng).unbind()
    mix = pair.protect(0.3 * a + 0.7 * b)
    torch.testing.assert_close(mix, 0.3 * pair.protect(a) + 0.7 * pair.protect(b))


def test_same_photo_gives_the_same_signal():
    block = torch.randn(2, 3, 8, generator=torch.Generator().manual_seed(2))
    pair = random_pair()
    assert torch.equal(pair.protect(block), pair.protect(block))


def test_known_pairs_identify_it_exactly():
    """One more known pair than there are numbers in the block solves for weights and bias (errata: 3,585 at
    full size).
    """
    pair, size = random_pair().double(), 24
    known = torch.randn(size + 1, 3, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    inputs = torch.cat([known.flatten(1), torch.ones(size + 1, 1, dtype=torch.float64)], 1)
    solved = torch.linalg.solve(inputs, pair.protect(known).flatten(1))
    torch.testing.assert_close(solved[:size].T, pair.protection.weight, atol=1e-8, rtol=1e-6)


def test_identity_start():
    pair = LinearPair(PairSettings((0, 1, 4), 8, 10.0, "as_published", 2.0, start="identity"))
    assert pair.distance_from_identity() == 0
    assert random_pair().distance_from_identity() > 0.5


def test_wrong_settings_and_blocks_are_refused():
    with pytest.raises(ValueError, match="'default' or 'identity'"):
        LinearPair(PairSettings((0,), 8, 10.0, "as_published", 2.0, start="zero"))
    with pytest.raises(ValueError, match="blocks"):
        random_pair().protect(torch.zeros(1, 4, 8))


def test_settings_round_trip():
    assert PairSettings.from_dict(SETTINGS.as_dict() | {"codes": [0, 1, 4]}) == SETTINGS


def test_the_distance_from_the_identity_is_relative_to_it() -> None:
    pair = random_pair()
    with torch.no_grad():
        pair.protection.weight.copy_(3 * torch.eye(24))
    assert pair.distance_from_identity() == pytest.approx(2.0)


def test_a_mixer_is_undone_by_the_inverse_of_its_start() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mixer, inverse = CodeMixer(5, 8), CodeMixer(5, 8)
    codes = torch.randn(4, 5, 8, generator=torch.Generator().manual_seed(1))
    assert (inverse(mixer(codes)) - codes).abs().max() > 0.1
    inverse.invert(mixer)
    torch.testing.assert_close(inverse(mixer(codes)), codes, rtol=1e-4, atol=1e-5)
