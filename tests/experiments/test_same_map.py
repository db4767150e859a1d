# SPDX-License-Identifier: Apache-2.0
"""The link that differs from Bob's in the key alone loses as much as his does."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from semveil.core.rng import streams
from semveil.experiments.dp_semcom.same_map import _heard, same_map_link
from semveil.link.eves import over_the_air
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.protectors import Keyed
from semveil.models.face import load_model
from semveil.protection.code_rotation import CodeRotation


def loss(heard: Tensor, codes: Tensor) -> Tensor:
    """Squared error of each photo's codes."""
    return (heard - codes).square().mean((1, 2))


@pytest.mark.parametrize("private", [None, (4, 5, 6, 7, 8)])
def test_the_key_costs_nothing_and_the_map_gains(private: tuple[int, ...] | None) -> None:
    model = load_model()
    assert model.prior is not None
    model = replace(model, prior=replace(model.prior, whitening=0.5))  # where the error of codes is least
    rotation, plain = (
        DPSemCom(model, protection="rotation", private_codes=private),
        DPSemCom(model, protection="none"),
    )
    codes = rotation.model.box.clip(rotation.model.public_latents(60, rng=torch.Generator().manual_seed(0)))
    run = streams(1)
    sent = over_the_air(rotation.send_codes(codes), 20.0, run["bob"])
    bob = rotation.heard_codes(sent)
    chosen = list(rotation.private_codes)
    bob[:, chosen] = rotation.protector.deprotect(bob[:, chosen], sent.keyed, sent.bound())
    keyed = rotation.protector
    assert isinstance(keyed, Keyed) and isinstance(keyed.protection, CodeRotation)
    mapped = _heard(rotation, keyed.protection, codes, snr_db=20.0, rng=run["same map"])
    direct = plain.heard_codes(over_the_air(plain.send_codes(codes), 20.0, run["direct"]))

    losses = {
        name: loss(heard, codes) for name, heard in (("bob", bob), ("mapped", mapped), ("direct", direct))
    }
    gap, gain = losses["bob"] - losses["mapped"], losses["direct"] - losses["mapped"]
    error = 4 * float(gap.std()) / len(codes) ** 0.5
    assert abs(float(gap.mean())) < error + 1e-3 * float(losses["mapped"].mean())  # the mask costs Bob .02 dB
    if private is None:
        assert float(gain.mean()) > error, "the link without the map is no such comparison"


def test_other_protections_have_no_such_map(tiny_model_folder) -> None:
    method = DPSemCom(str(tiny_model_folder), protection="none")
    codes = torch.zeros(1, *method.model.latent_shape)
    with pytest.raises(ValueError, match="the public map is rotation's"):
        same_map_link(method, codes, snr_db=20.0, rng=torch.Generator())
