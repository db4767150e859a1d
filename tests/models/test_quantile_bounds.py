# SPDX-License-Identifier: Apache-2.0
"""Public bounds of every coordinate: against numpy, on disk, and those of the bundled model."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.model_folders import bundled_folder
from semveil.models.quantile_bounds import FILE, SHARES, QuantileBounds
from semveil.privacy.guarantee import Basis

LATENTS = torch.randn(501, 3, 4, generator=torch.Generator().manual_seed(2)) * 3
GROUPS = {"all": (0, 1, 2), "identity": (1,)}


@pytest.fixture(scope="module")
def bounds() -> QuantileBounds:
    return QuantileBounds.fit(LATENTS, of="test latents", observe=GROUPS)


@pytest.mark.parametrize("share", SHARES)
def test_bounds_are_quantiles_rounded_outwards_by_one_half_precision_step_at_most(
    bounds: QuantileBounds, share: float
) -> None:
    lower, upper = np.quantile(LATENTS.double().numpy(), [share / 100, 1 - share / 100], axis=0)
    box = bounds.box(share)
    for found, exact, sign in ((box.lower, lower, -1), (box.upper, upper, 1)):
        outwards = sign * (torch.as_tensor(found).numpy() - exact)
        assert (outwards >= -1e-12).all()
        assert (outwards <= np.abs(exact) * 2.0**-10 + 2.0**-24).all()


def test_share_0_holds_every_public_latent(bounds: QuantileBounds) -> None:
    assert torch.equal(bounds.box(0).clip(LATENTS), LATENTS)
    assert not torch.equal(bounds.box(10).clip(LATENTS), LATENTS)


def test_observed_distances_are_the_largest(bounds: QuantileBounds) -> None:
    for name, codes in GROUPS.items():
        rows = LATENTS[:, list(codes)].flatten(1).double()
        found = bounds.observed_sensitivity(name, rows.shape[1])
        assert found.value == pytest.approx(torch.cdist(rows, rows, p=1).max().item(), rel=1e-5)
        assert found.basis == Basis.OBSERVED_SENSITIVITY
    with pytest.raises(ValueError, match="semveil train quantiles"):
        bounds.observed_sensitivity("hair", 3)


def test_file_and_back(bounds: QuantileBounds, tmp_path: Path) -> None:
    bounds.save(tmp_path / FILE)
    again = QuantileBounds.load(tmp_path / FILE, (3, 4))
    assert again.digest == bounds.digest
    assert (
        torch.equal(again.lower, bounds.lower) and again.of == bounds.of and again.observed == bounds.observed
    )
    with pytest.raises(BadCheckpoint, match="of this model"):
        QuantileBounds.load(tmp_path / FILE, (3, 5))
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:100])
    with pytest.raises(BadCheckpoint, match="damaged"):
        QuantileBounds.load(tmp_path / FILE, (3, 4))


def test_wrong_latents_and_shares_are_refused(bounds: QuantileBounds) -> None:
    with pytest.raises(ValueError, match=r"available: 0, 10, 12\.5"):
        bounds.box(20)
    with pytest.raises(ValueError, match="finite"):
        QuantileBounds.fit(torch.full((5, 1, 1), torch.nan), of="nothing")
    with pytest.raises(ValueError, match="below 50"):
        QuantileBounds.fit(LATENTS, of="test latents", shares=(50.0,))


def test_the_bundled_bounds_come_from_a_thousand_photos_and_are_nested() -> None:
    bundled = QuantileBounds.load(bundled_folder() / "faces-128" / FILE, (28, 64))
    assert bundled.shares == SHARES and bundled.count >= 1000
    assert (bundled_folder() / "faces-128" / FILE).stat().st_size < 60_000
    for outer, inner in pairwise(SHARES):
        wide, narrow = bundled.box(outer), bundled.box(inner)
        assert bool(
            (torch.as_tensor(wide.lower) <= narrow.lower).all()
            and (torch.as_tensor(wide.upper) >= narrow.upper).all()
        )
