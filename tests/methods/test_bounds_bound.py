# SPDX-License-Identifier: Apache-2.0
"""Certificates say on which public bounds they rest: another file of quantiles gives another certificate."""

from dataclasses import replace

import pytest
import torch

from semveil.methods.dp_image import DPImage
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.models.identity import IdentityModel
from semveil.models.quantile_bounds import QuantileBounds
from semveil.privacy.certificate import Certificate
from semveil.privacy.explain import explain

MODEL = LatentModel.example()


def other() -> LatentModel:
    """The same networks with bounds that differ in one number, neither their lowest nor their highest."""
    bounds = MODEL.bounds()
    upper = bounds.upper.clone()
    upper[:, 1, 2] -= 1e-2
    changed = QuantileBounds(bounds.shares, bounds.lower, upper, bounds.count, bounds.of, bounds.observed)
    return replace(MODEL, bounds=lambda: changed)


def certificate(method: LatentDP | DPImage) -> Certificate:
    return method.certificate(method.protect(torch.zeros(1, 3, 2, 2)))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (LatentDP, {}),
        (LatentDP, {"mechanism": "exponential"}),
        (LatentDP, {"mechanism": "none"}),
        (DPImage, {"clip": 25.0}),
        (DPImage, {"sensitivity": "observed"}),
    ],
    ids=str,
)
def test_two_files_of_quantiles_give_two_certificates(kind: type, options: dict) -> None:
    one, another = (certificate(kind(model, **options)) for model in (MODEL, other()))
    assert one.bounds_hash == MODEL.bounds().digest != another.bounds_hash == other().bounds().digest
    assert one.model_hash == another.model_hash  # the networks are the same
    assert one.bounds_hash in " ".join(explain(one))
    assert Certificate.from_json(one.to_json()).bounds_hash == one.bounds_hash


@pytest.mark.parametrize("options", [{}, {"sensitivity": "metric"}], ids=str)
def test_what_rests_on_no_such_file_names_none(options: dict) -> None:
    assert certificate(DPImage(MODEL, **options)).bounds_hash is None


def test_attributes_with_a_budget_rest_on_the_bounds_of_their_gallery() -> None:
    identity = IdentityModel.example()
    method = IdentityDP(identity)
    assert method.certificate(method.protect(torch.zeros(1, 3, 4, 4))).bounds_hash is None
    method.look = LatentDP(MODEL, mechanism="exponential")
    release = replace(
        method.protect(torch.zeros(1, 3, 4, 4), rng=torch.Generator().manual_seed(0)),
        guarantee=method.guarantee(),
    )
    assert method.certificate(release).bounds_hash == MODEL.bounds().digest
