# SPDX-License-Identifier: Apache-2.0
"""Options that do not go together are refused, all of them; what a method accepts it uses."""

import inspect
import itertools
from typing import Any

import pytest
import torch

from semveil.mechanisms import MECHANISMS
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel
from semveil.methods.noise_image import NoiseImage
from semveil.methods.protection_options import check_options
from semveil.methods.protections import PROTECTIONS
from semveil.methods.shared_key import SharedKey
from semveil.models.face import FaceModel, load_model
from semveil.models.identity import IdentityModel
from semveil.models.noise_image import NoiseImageModel
from semveil.protection.linear_pair import LinearPair

# What each protection of dp-semcom uses, written from the method's description.
USES = {
    "nn": {"epsilon", "calibration=corrected", "calibration=as_published", "pair", "private_codes"},
    "nn-encrypted": {"epsilon", "calibration=corrected", "calibration=as_published", "pair"},
    "learned": {"epsilon", "calibration=corrected", "calibration=as_published", "pair", "private_codes"},
    "rotation": {"key", "deniable", "private_codes"},
    "modulo": {"key", "deniable", "private_codes", "epsilon", "guard"},
    "laplace": {"epsilon", "calibration=corrected", "calibration=as_published", "private_codes", "budget"},
    "l2-laplace": {"epsilon", "calibration=corrected", "private_codes"},
    "gaussian": {"epsilon", "calibration=corrected", "private_codes", "delta"},
    "none": {"private_codes"},
}
# what any other noise law uses, and delta if it takes one
LAW = {"epsilon", "calibration=corrected", "private_codes"}
APART = [{"budget", "epsilon"}, {"budget", "private_codes"}, {"budget", "calibration=as_published"}]


@pytest.fixture(scope="module")
def model(tiny_model_folder) -> FaceModel:
    return load_model(str(tiny_model_folder))


@pytest.fixture(scope="module")
def options(model: FaceModel) -> dict[str, dict[str, Any]]:
    """A value for every option that there is."""
    return {
        "epsilon": {"epsilon": 10.0},
        "calibration=corrected": {"calibration": "corrected"},
        "calibration=as_published": {"calibration": "as_published"},
        "delta": {"delta": 1e-6},
        "guard": {"guard": 0.3},
        "key": {"key": SharedKey.fresh()},
        "deniable": {"authenticate": False},
        "pair": {"pair": LinearPair(pair_settings(model, start="identity"))},
        "budget": {"budget": {"skin": 1.0}},
        "private_codes": {"private_codes": (0, 1, 4, 5, 6, 7, 8)},
    }


def uses(protection: str) -> set[str]:
    if protection in USES or protection not in MECHANISMS:
        return USES[protection]
    return LAW | ({"delta"} & set(inspect.signature(MECHANISMS[protection].calibrate).parameters))


def goes(protection: str, names: tuple[str, ...]) -> bool:
    return set(names) <= uses(protection) and not any(pair <= set(names) for pair in APART)


@pytest.mark.parametrize("protection", PROTECTIONS)
def test_every_option_and_every_two_options_of_dp_semcom(
    protection: str, model: FaceModel, options: dict[str, Any]
) -> None:
    pairs = [
        names
        for names in itertools.combinations(options, 2)
        if len({name.split("=")[0] for name in names}) == 2
    ]
    for names in [(name,) for name in options] + pairs:
        given = {key: value for name in names for key, value in options[name].items()}
        network = PROTECTIONS[protection].trained
        if network is not None:
            trained_for = (
                "corrected" if "calibration=corrected" in names and "pair" not in names else "as_published"
            )
            given["pair"] = network(
                pair_settings(model, protection=protection, start="identity", calibration=trained_for)
            )
        if goes(protection, names) and not {"pair", "calibration=corrected"} <= set(names):
            DPSemCom(model, protection=protection, **given)
        else:  # the pair of the table was trained for another calibration
            with pytest.raises(ValueError, match=r"leave|use one of|trained for|publishes no"):
                DPSemCom(model, protection=protection, **given)


def test_the_defaults_of_a_protection_are_not_taken_for_wishes() -> None:
    nothing = dict.fromkeys(
        ("epsilon", "calibration", "delta", "guard", "key", "pair", "budget", "private_codes")
    )
    for protection in PROTECTIONS:
        check_options(protection, {**nothing, "deniable": False})


def test_a_pairs_own_settings_hold(model: FaceModel) -> None:
    pair = LinearPair(pair_settings(model, epsilon=3.0, calibration="corrected", start="identity"))
    method = DPSemCom(model, pair=pair)
    assert (method.nominal_epsilon, method.calibration.name) == (3.0, "corrected")
    for asked in ({"epsilon": 10.0}, {"calibration": "as_published"}):
        with pytest.raises(ValueError, match="the pair was trained for"):
            DPSemCom(model, pair=pair, **asked)


LATENT, IDENTITY, NOISE = LatentModel.example(), IdentityModel.example(), NoiseImageModel.example()
OBSERVED = {"calibration": "as_published", "observed_sensitivity": 9.0}
REFUSED = [
    (DPImage, LATENT, {"scale": 1.0, "epsilon": 1.0}),
    (DPImage, LATENT, {"sensitivity": "observed", "clip": 25.0}),
    (DPImage, LATENT, {"sensitivity": "metric", "clip": 25.0}),
    (DPImage, LATENT, {"sensitivity": "metric", "epsilon": 1.0}),
    (DPImage, LATENT, {"draws": 3}),
    (DPImage, LATENT, {"accept": "face"}),
    (LatentDP, LATENT, {"epsilon": 1.0, "budget": "red=1,others=2"}),
    (LatentDP, LATENT, {"mechanism": "none", "epsilon": 1.0}),
    (LatentDP, LATENT, {"mechanism": "none", "budget": "red=1,others=2"}),
    (LatentDP, LATENT, {"mechanism": "none", "weights": "least-variance"}),
    (LatentDP, LATENT, {"mechanism": "none", "gallery": 20}),
    (LatentDP, LATENT, {"mechanism": "none", "calibration": "as_published"}),
    (LatentDP, LATENT, {"mechanism": "exponential", "weights": "least-variance"}),
    (LatentDP, LATENT, {"mechanism": "exponential", "budget": "red=1,others=2"}),
    (LatentDP, LATENT, {"mechanism": "exponential", "calibration": "as_published"}),
    (LatentDP, LATENT, {"gallery": 20}),
    (LatentDP, LATENT, {"budget": "red=1,others=2", "calibration": "as_published"}),
    (IdentityDP, IDENTITY, {"observed_sensitivity": 9.0}),
    (IdentityDP, IDENTITY, {"calibration": "as_published"}),
    (IdentityDP, IDENTITY, {**OBSERVED, "repel": True}),
    (IdentityDP, IDENTITY, {**OBSERVED, "mechanism": "privunit"}),
    (IdentityDP, IDENTITY, {"renormalise": False}),
    (IdentityDP, IDENTITY, {"renormalise": False, "mechanism": "von-mises-fisher"}),
    (IdentityDP, IDENTITY, {"attribute_side": 2, "attribute_epsilon": 1.0}),
    *((IdentityDP, IDENTITY, {"pseudonym": "a.key", **more}) for more in (
        {"epsilon": 1.0}, {"mechanism": "privunit"}, {"repel": True}, OBSERVED, {"renormalise": False},
    )),
    (NoiseImage, NOISE, {"delta": 1e-6}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "networks", "given"), REFUSED, ids=lambda value: getattr(value, "__name__", None)
)
def test_every_contradiction_of_the_image_methods(method: Any, networks: Any, given: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=r"leave|not both|together|calibration|not depend|go with|neither|has no"
    ):
        method(networks, **given)


def test_what_latent_dp_accepts_it_uses() -> None:
    even, varied = (LatentDP(LATENT, weights=weights) for weights in ("uniform", "least-variance"))
    assert even.noise is not None and varied.noise is not None
    assert not torch.equal(torch.as_tensor(even.shares), torch.as_tensor(varied.shares))
    chosen = LatentDP(LATENT, mechanism="exponential", gallery=20).gallery
    assert chosen is not None and len(chosen) == 20
