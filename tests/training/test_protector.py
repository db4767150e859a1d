# SPDX-License-Identifier: Apache-2.0
"""Training of the pair: what Eq. 20 leads to."""

import dataclasses

import pytest
import torch
from scipy import stats

from semveil.channels import Link
from semveil.methods.pairs import NoPair, find_pair, pair_digest, pair_file, read_pair, write_pair
from semveil.models.face import load_model
from semveil.protection.linear_pair import PairSettings
from semveil.training import pair_link, protector
from semveil.training.protector import find_or_train_pair, train_pair

SETTINGS = PairSettings((0, 1), 8, 10.0, "as_published", 0.5)


def latents(count: int) -> torch.Tensor:
    return torch.randn(count, 4, 8, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_bob_undoes_what_alice_does():
    pair = train_pair(latents(2000), SETTINGS, rng=rng(), epochs=100, batch=100, learning_rate=3e-3)
    block = torch.randn(500, 2, 8, generator=rng(2))
    error = (pair.deprotect(pair.protect(block)) - block).square().mean()
    assert error < 0.05  # of a variance of 1; an untrained pair leaves about 1
    untrained = train_pair(latents(200), SETTINGS, rng=rng(), epochs=0)
    assert (untrained.deprotect(untrained.protect(block)) - block).square().mean() > 0.5


def test_fresh_noise_averages_out_and_frozen_noise_is_memorised():
    """Least squares on N frozen draws keeps noise of variance 2 s^2 (d + 1) / N; fresh draws average away.

    A strong weight on the noise term and no channel noise turn training into that regression.
    """
    count, scale, width = 200, 5.0, 16
    z = latents(count)
    settings = dataclasses.replace(SETTINGS, scale=scale, start="identity", snr_db=60.0)
    change = {}
    for noise in ("frozen", "fresh"):
        pair = train_pair(
            z,
            dataclasses.replace(settings, noise=noise),
            rng=rng(3),
            epochs=250,
            batch=count,
            learning_rate=0.03,
            noise_weight=1e3,
        )
        block = z[:, :2]
        change[noise] = float((pair.protect(block) - block).std())
    predicted = scale * 2**0.5 * ((width + 1) / count) ** 0.5
    assert change["frozen"] == pytest.approx(predicted, rel=0.25)
    assert change["fresh"] < 0.5 * change["frozen"]


def test_a_channel_and_a_range_of_snrs_are_what_the_settings_say(monkeypatch):
    """Each latent draws its own SNR, evenly; the channel is the one named; and both make another pair than
    AWGN of 20 dB.
    """
    met: list[torch.Tensor] = []

    def heard(channel, symbols, snr_db, *, rng):
        met.append((type(channel), torch.as_tensor(snr_db).expand(len(symbols))))
        return symbols

    monkeypatch.setattr(pair_link, "over", heard)
    wide = dataclasses.replace(SETTINGS, snr_db=0.0, snr_high_db=20.0, channel="rayleigh:coherence=8")
    train_pair(latents(1000), wide, rng=rng(), epochs=1, batch=250)
    snrs = torch.cat([snr for _, snr in met])
    assert {channel for channel, _ in met} == {Link} and len(snrs) == 1000
    assert stats.kstest(snrs.numpy(), "uniform", (0, 20)).pvalue > 1e-6 and len(snrs.unique()) > 900
    met.clear()
    train_pair(latents(100), SETTINGS, rng=rng(), epochs=1)
    assert met[0][0] is type(None) and met[0][1].unique().tolist() == [20.0]


def test_a_pair_trained_at_an_snr_is_the_best_there():
    quick = {"epochs": 60, "batch": 100, "learning_rate": 3e-3}
    pairs = {
        snr: train_pair(latents(1000), dataclasses.replace(SETTINGS, snr_db=snr), rng=rng(), **quick)
        for snr in (-5.0, 30.0)
    }
    errors = {}
    for tested in pairs:
        for trained, pair in pairs.items():
            pair.settings = dataclasses.replace(pair.settings, snr_db=tested)
            restored = pair_link.PairLink(pair, None, rng(4))(latents(1000)).restored
            errors[trained, tested] = float((restored - latents(1000)).square().mean())
    assert errors[-5.0, -5.0] < errors[30.0, -5.0] and errors[30.0, 30.0] < errors[-5.0, 30.0]


def test_old_pairs_keep_their_files_and_others_get_files_of_their_own(tmp_path):
    """Range and channel are no part of what names the file of a pair of one SNR over AWGN."""
    assert pair_file(tmp_path, SETTINGS).name == "as_published-10-c1c8e2c770.safetensors"
    names = {
        pair_file(tmp_path, dataclasses.replace(SETTINGS, **c)).name
        for c in ({}, {"snr_high_db": 30}, {"channel": "rician"})
    }
    assert len(names) == 3
    pair = train_pair(
        latents(16), dataclasses.replace(SETTINGS, snr_high_db=30, channel="rician"), rng=rng(), epochs=1
    )
    write_pair(tmp_path / "p.safetensors", pair)
    assert read_pair(tmp_path / "p.safetensors").settings == pair.settings
    with pytest.raises(ValueError, match="must not be below"):
        dataclasses.replace(SETTINGS, snr_high_db=3)


def test_a_seed_reproduces_a_pair():
    pairs = [train_pair(latents(64), SETTINGS, rng=rng(seed), epochs=2, batch=16) for seed in (5, 5, 6)]
    assert pair_digest(pairs[0]) == pair_digest(pairs[1]) != pair_digest(pairs[2])


@pytest.mark.parametrize(
    ("changes", "match"), [({"noise": "old"}, "'frozen' or 'fresh'"), ({"style_dim": 9}, r"\(N >= 2, K, 9\)")]
)
def test_wrong_settings_are_refused(changes, match):
    with pytest.raises(ValueError, match=match):
        train_pair(latents(8), dataclasses.replace(SETTINGS, **changes), rng=rng())


def test_a_missing_pair_is_trained_once_and_kept(tiny_model_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    monkeypatch.setattr(protector, "PUBLIC_LATENTS", 32)
    model, epochs = load_model(str(tiny_model_folder)), []
    settings = dataclasses.replace(SETTINGS, trained_on="test")
    with pytest.raises(NoPair, match=r"epsilon 10 \(as_published\), codes 0,1"):
        find_pair(model, settings)
    first = find_or_train_pair(model, settings, rng=rng(), progress=lambda *p: epochs.append(p))
    assert len(epochs) == 100
    again = find_or_train_pair(model, settings, rng=rng(9), progress=lambda *p: epochs.append(p))
    assert len(epochs) == 100
    assert pair_digest(first) == pair_digest(again)
    with pytest.raises(NoPair):
        find_pair(model, dataclasses.replace(settings, epsilon=11.0))  # never a near one
