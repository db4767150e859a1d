# SPDX-License-Identifier: Apache-2.0
"""A protection is one entry of the registry: whoever registers one has it in the method, with the options
that it names.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from semveil.core.registry import Registry
from semveil.methods import dp_semcom, protection_options
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.protections import PROTECTIONS
from semveil.models.face import load_model
from semveil.models.folder import save_model


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """All protections, and one of somebody else's: `gaussian` under another name, for all codes."""
    mine: Registry = Registry("protection")
    for name in PROTECTIONS:
        mine.add(name, PROTECTIONS[name])
    mine.add("mine", replace(PROTECTIONS["gaussian"], name="mine", all_codes=True))
    for module in (dp_semcom, protection_options):
        monkeypatch.setattr(module, "PROTECTIONS", mine)


@pytest.mark.usefixtures("registered")
def test_a_registered_protection_works_in_the_method(tiny_model_folder: Path) -> None:
    model = load_model(str(tiny_model_folder))
    method = DPSemCom(model, protection="mine", epsilon=500.0)
    assert method.private_codes == tuple(range(28)) and method.calibration.name == "corrected"
    codes = model.public_latents(2, rng=torch.Generator().manual_seed(0))
    sent = method.send_codes(codes)
    assert sent.guarantee.epsilon == pytest.approx(500.0) and not torch.equal(
        sent.symbols, method.send_codes(codes).symbols
    )
    with pytest.raises(ValueError, match="'mine' uses no key"):
        DPSemCom(model, protection="mine", authenticate=False, key=dp_semcom.SharedKey.fresh())


def test_an_unknown_one_is_refused_with_a_near_name(tiny_model_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"no protection named 'rotatoin' \(did you mean 'rotation'\?\)"):
        DPSemCom(load_model(str(tiny_model_folder)), protection="rotatoin")


def test_what_bob_takes_off_is_keyed_or_trained() -> None:
    assert {name for name in PROTECTIONS if PROTECTIONS[name].undone} >= {"nn", "rotation", "modulo"}
    assert not any(kind.undone and kind.genuine_noise for kind in map(PROTECTIONS.__getitem__, PROTECTIONS))


@pytest.mark.parametrize(("whitening", "like_the_prior"), [(1.0, True), (0.5, False)])
def test_a_models_whitening_decides_how_typical_wrong_codes_are(
    tiny_model_folder: Path, whitening: float, like_the_prior: bool
) -> None:
    """Along the prior's widest direction; a variance of n draws misses by its share sqrt(2 / n), five of
    which are left.
    """
    model, count = load_model(str(tiny_model_folder)), 500
    assert model.prior is not None
    model = replace(model, prior=replace(model.prior, whitening=whitening))
    protector = DPSemCom(model, protection="rotation").protector
    codes = model.public_latents(1, rng=torch.Generator().manual_seed(0)).expand(count, -1, -1)
    read = protector.interpret(protector.protect(codes).block) - model.prior.mean
    widest = model.prior.factors[0].flatten()
    variance = (read.flatten(1) @ widest / widest.norm()).square().mean() / (
        widest.square().sum() + model.prior.residual.square().mean()
    )
    assert (abs(variance - 1) < 5 * (2 / count) ** 0.5) == like_the_prior


def test_a_model_keeps_its_whitening(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = load_model(str(tiny_model_folder))
    assert model.prior is not None and model.prior.whitening == 0.5
    assert model.encoder is not None
    save_model(tmp_path, model.generator, model.encoder, replace(model.prior, whitening=1.0), model.card)
    again = load_model(str(tmp_path)).prior
    assert again is not None and again.whitening == 1.0
