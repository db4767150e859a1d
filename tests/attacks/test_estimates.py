# SPDX-License-Identifier: Apache-2.0
"""Attacks without pairs: each breaks what it must break, and gets no further than it can where nothing is
heard.
"""

import pytest
import torch

from semveil.attacks import Denoise, Direct, Impute, PublicKnowledge
from semveil.mechanisms import Laplace


def test_direct_reads_the_clear_signal_and_what_interpret_gives(world):
    codes = world.latents(50)
    scaled = codes.clone()
    scaled[:, world.private] *= 3
    known = PublicKnowledge(
        world.private, world.box, world.public.latents, lambda x: x, interpret=lambda block: block / 3
    )
    torch.testing.assert_close(Direct()(world.hear(scaled, 0.0), known), codes)
    assert world.error(Direct()(world.hear(scaled, 0.0), world.public), codes) > 3


def test_denoise_beats_direct_in_noise(world):
    codes = world.latents(500)
    heard = world.hear(codes, 0.25)
    assert world.error(Denoise()(heard, world.public), codes) < 0.4 * world.error(
        Direct()(heard, world.public), codes
    )


def test_denoise_is_the_best_linear_estimate(world):
    """Against a regression of clean on noisy codes with many samples."""
    clean = world.latents(20_000).flatten(1)
    noisy = torch.cat(
        [clean + 0.5 * torch.randn(clean.shape, generator=world.rng), torch.ones(len(clean), 1)], 1
    )
    weights = torch.linalg.lstsq(noisy, clean).solution
    codes = world.latents(2000)
    heard = world.hear(codes, 0.25)
    regressed = torch.cat([heard.received.flatten(1), torch.ones(2000, 1)], 1) @ weights
    assert world.error(Denoise()(heard, world.public), codes) == pytest.approx(
        world.error(regressed.view_as(codes), codes), rel=0.02
    )


def test_denoise_of_laplace_noise_gains_nothing_beyond_the_common_codes_when_it_is_huge(world):
    codes = world.latents(300)
    sent = codes.clone()
    sent[:, world.private] = Laplace(100.0)(sent[:, world.private], rng=world.rng)
    heard = world.hear(sent, 0.01, noise_scale=100.0)
    denoised, imputed = (world.error(attack(heard, world.public), codes) for attack in (Denoise(), Impute()))
    assert denoised == pytest.approx(imputed, rel=0.1)
    assert world.error(Direct()(heard, world.public), codes) > 100


def test_impute_finds_what_the_common_codes_tell(world):
    codes = world.latents(500)
    sent = codes.clone()
    sent[:, world.private] = 7.0  # nothing of the private block is sent
    assert world.error(Impute()(world.hear(sent, 1e-4), world.public), codes) < 0.5


def test_impute_finds_nothing_when_codes_are_independent(world):
    shuffled = torch.stack([world.latents(3000)[:, c] for c in range(6)], 1)
    known = PublicKnowledge(world.private, world.box, shuffled[:2500], synthesize=lambda x: x)
    codes = shuffled[2500:]
    assert world.error(Impute()(world.hear(codes, 1e-4), known), codes) > 0.95
