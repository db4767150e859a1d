# SPDX-License-Identifier: Apache-2.0
"""What every registered attack keeps to."""

import pytest
import torch

from semveil.attacks import ATTACKS, Direct, KnownPairs, Observation


def run(world, name, heard, seed=0):
    network = {"deprotect", "protect"} & set(ATTACKS[name].needs)
    attack = ATTACKS[name](lambda block: block) if network else ATTACKS[name]()
    known = world.public.latents[:150]
    return attack(
        heard, world.public, pairs=KnownPairs(known, known), rng=torch.Generator().manual_seed(seed)
    )


def listened(world) -> Observation:
    codes = world.latents(20)
    return Observation(codes, torch.full((20,), 0.01), 0.5, codes[None], world.public.latents[:100])


@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "learned-deep"])
def test_gives_codes_in_the_box_repeatably_and_changes_nothing(world, name):
    heard = listened(world)
    before = heard.received.clone()
    codes = run(world, name, heard)
    assert codes.shape == before.shape and bool(codes.isfinite().all())
    assert torch.equal(heard.received, before)
    assert torch.equal(run(world, name, heard), codes)
    if name != Direct.name:  # which does not even clip
        assert float(codes.abs().max()) <= world.box.upper


@pytest.mark.parametrize("name", list(ATTACKS))
def test_says_what_it_knows_and_needs(name):
    assert ATTACKS[name].name == name and ATTACKS[name].knowledge
    assert set(ATTACKS[name].needs) <= {"pairs", "repeats", "recordings", "deprotect", "protect"}
