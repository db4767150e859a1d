# SPDX-License-Identifier: Apache-2.0
"""No method takes what is no image in [-1, 1]: integers, floats of 0 to 255, NaN."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from semveil.methods.baselines import BASELINES
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.methods.noise_image import NoiseImage
from semveil.methods.registry import METHODS
from semveil.models.face import load_model
from semveil.models.identity import IdentityModel
from semveil.models.noise_image import NoiseImageModel

SMALL: dict[str, Any] = {
    "dp-image": lambda: DPImage(LatentModel.example()),
    "latent-dp": lambda: LatentDP(LatentModel.example()),
    "identity-dp": lambda: IdentityDP(IdentityModel.example()),
    "noise-image": lambda: NoiseImage(NoiseImageModel.example()),
    **{method.name: lambda method=method: method(size=16) for method in BASELINES},
}
WRONG = {
    "uint8": lambda good: torch.full(good.shape, 7, dtype=torch.uint8),
    "int64": lambda good: torch.zeros(good.shape, dtype=torch.int64),
    "0 to 255": lambda good: (good + 1) * 127.5,
    "a little too large": lambda good: good.clone().index_fill(0, torch.tensor(0), 1.02),
    "a little too small": lambda good: good.clone().index_fill(0, torch.tensor(0), -1.02),
    "NaN": lambda good: good.clone().index_fill(0, torch.tensor(0), math.nan),
    "infinite": lambda good: good.clone().index_fill(0, torch.tensor(0), math.inf),
}


def images(size: int) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2.02 - 1.01


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", [name for name in METHODS if name != "dp-semcom"])
def test_image_methods(name: str, wrong: str) -> None:
    method = SMALL[name]() if name in SMALL else METHODS[name](size=16)
    good = images(method.size)
    method.protect(good)
    with pytest.raises(ValueError, match="images"):
        method.protect(WRONG[wrong](good))


@pytest.mark.parametrize("wrong", WRONG)
def test_dp_semcom(wrong: str, tiny_model_folder) -> None:
    method = DPSemCom(load_model(str(tiny_model_folder)), protection="none")
    good = images(method.model.size)
    bad, codes = WRONG[wrong](good), torch.zeros(2, *method.model.latent_shape)
    method.send(good)
    for call in (method.invert, method.send, method.transmit, lambda x: method.transmit(x, codes=codes)):
        with pytest.raises(ValueError, match="images"):
            call(bad)
