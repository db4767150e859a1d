# SPDX-License-Identifier: Apache-2.0
"""The search for equal similarity, the rank correlation, and verdicts on runs whose answer is known."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from semveil.core.results import read_result
from semveil.experiments.dp_image import matched
from semveil.experiments.dp_image.identity import _judge as dp_image_identity
from semveil.experiments.dp_image.latents import rank_correlation as _rank_correlation
from semveil.experiments.dp_image.utility import _judge as dp_image_utility
from semveil.experiments.kit.reproduce import tables
from semveil.experiments.latent_dp.trade_off import _judge as latent_dp_trade_off
from semveil.methods.release import Release
from semveil.privacy.guarantee import Guarantee


def _bench(steps: int) -> Any:
    return SimpleNamespace(preset=SimpleNamespace(search_steps=steps))


def _grey(amount: float) -> Release:
    return Release(torch.full((1, 3, 2, 2), amount), None, Guarantee.none("all", reason="a test"))


@pytest.mark.parametrize("target", [0.9, 0.5, 0.02])
def test_the_search_finds_where_a_falling_similarity_meets_the_target(
    target: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matched, "_similarity", lambda bench, images: 1 / (1 + float(images[0, 0, 0, 0])))
    candidate = matched.Candidate("a", "b", 0.01, 1000, _grey)
    ((amount, release),) = matched.search(_bench(20), candidate, target)
    assert amount == pytest.approx(1 / target - 1, rel=1e-3)
    assert float(release.images[0, 0, 0, 0]) == pytest.approx(amount)


def test_whole_amounts_are_the_two_around_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matched, "_similarity", lambda bench, images: 1 - float(images[0, 0, 0, 0]) / 32)
    candidate = matched.Candidate("a", "b", 1, 32, _grey, whole=True)
    for wanted in range(1, 32):
        amounts = [amount for amount, _ in matched.search(_bench(20), candidate, 1 - (wanted + 0.5) / 32)]
        assert amounts == [wanted, wanted + 1]


def test_rank_correlation_of_opposite_and_of_unrelated_pairs() -> None:
    rng = np.random.default_rng(0)
    distances = np.abs(np.subtract.outer(*[rng.normal(size=40)] * 2))
    opposite = _rank_correlation(distances, -(distances**3))
    assert opposite["spearman"] == opposite["low"] == opposite["high"] == -1 and opposite["pairs"] == 780
    noise = rng.normal(size=(40, 40))
    unrelated = _rank_correlation(distances, noise + noise.T)
    # standard error 0.036 or more
    assert unrelated["low"] < 0 < unrelated["high"] and abs(unrelated["spearman"]) < 0.2


def _identity(fppsr: float, to_inversion: float = 1.0) -> dict[str, Any]:
    def point(styles: str, scale: float, rate: float) -> dict[str, Any]:
        photos = {
            "fppsr": [float(i < round(rate * 20)) for i in range(20)],
            "fppsr_to_inversion": [float(i < round(min(rate, to_inversion) * 20)) for i in range(20)],
            "identity_similarity": [1 - scale + 0.01 * i for i in range(20)],
            "face_detected": [1.0 if styles == "identity" else 0.0] * 20,
        }
        return {
            "styles": styles,
            "scale": scale,
            "guarantee": {"epsilon": 1.0, "basis": "simulation"},
            "photos": photos,
        }

    points = [point(styles, scale, fppsr) for styles in ("all", "identity") for scale in (0.2, 1.0)]
    return {"points": points, "inverted": {"fppsr": [0.0] * 20}}


def test_verdicts_on_identity() -> None:
    def verdicts(result: dict[str, Any]) -> list[bool | None]:
        return [claim.holds for claim in dp_image_identity(result)]

    assert verdicts(_identity(0.9)) == [True, False, True, True]
    assert verdicts(_identity(0.1)) == [True, True, False, True]
    assert verdicts(_identity(0.5)) == [True, None, None, True]
    # it depends on what one compares with
    assert verdicts(_identity(0.9, to_inversion=0.1)) == [True, None, None, True]
    # where every face is found, the detector tells no difference
    found = _identity(0.9)
    for point in found["points"]:
        point["photos"]["face_detected"] = [1.0] * 20
    assert verdicts(found) == [True, False, True, None]


def test_verdicts_on_utility() -> None:
    def row(method: str, level: float, amount: float = 1) -> dict[str, Any]:
        images = {metric: [level + 0.01 * i for i in range(10)] for metric in ("l2", "ald_inf", "ssim")}
        return {
            "method": method,
            "amount": amount,
            "images": {**images, "frechet": level, "frechet_metric": "frechet_demo"},
        }

    def verdicts(*others: dict[str, Any], ours: float) -> list[bool | None]:
        return [claim.holds for claim in dp_image_utility({"methods": [*others, row("dp-image", ours)]})]

    assert verdicts(row("blur", 2.0), ours=1.0) == [True, True, False, True]  # a low SSIM is no good
    assert verdicts(row("blur", 1.0), ours=2.0) == [False, False, True, False]
    assert verdicts(row("blur", 9.0), row("mosaic", 1.0, 3), row("mosaic", 3.0, 4), ours=2.0) == [
        None,
        None,
        None,
        True,
    ]


def test_verdicts_on_the_trade_off() -> None:
    def point(clip: float, epsilon: float | None, ssim: float, fppsr: float) -> dict[str, Any]:
        photos = {
            "ssim": ssim,
            "fppsr": fppsr,
            "fppsr_to_inversion": fppsr,
            "identity_similarity": 1 - clip / 100,
            "face_detected": float(clip > 0),
        }
        return {
            "clip": clip,
            "epsilon": epsilon,
            "images": {name: [value] * 10 for name, value in photos.items()},
        }

    def result(fppsr: float) -> dict[str, Any]:
        points = [
            point(c, e, s + c / 100, fppsr)
            for c in (0.0, 40.0)
            for e, s in ((None, 0.5), (4.0, 0.1), (40.0, 0.4))
        ]
        return {"points": points, "coordinates": 4, "reconstructed": {"images": {"fppsr": [0.0] * 10}}}

    assert [claim.holds for claim in latent_dp_trade_off(result(1.0))] == [True] * 5
    assert [claim.holds for claim in latent_dp_trade_off(result(0.0))] == [True] * 4 + [False]


RESULTS = Path(__file__).parents[2] / "results"


@pytest.mark.parametrize(
    "path", sorted(RESULTS.glob("*-*/small/*.json")), ids=lambda path: f"{path.parts[-3]}/{path.stem}"
)
def test_committed_results_show_no_photo_of_a_data_set(path: Path) -> None:
    result = read_result(path)
    shows = {image["source"] for image in result.get("images", [])}
    strangers = [name for name in shows if not name.startswith(("astronaut", "generated", "white noise"))]
    assert set(strangers) <= {"cat", "coffee", "rocket", "black", "white"}


@pytest.mark.parametrize(
    "name",
    [
        "dp-image/latents",
        "dp-image/identity",
        "dp-image/utility",
        "latent-dp/outliers",
        "latent-dp/trade-off",
    ],
)
def test_committed_results_have_tables(name: str) -> None:
    method, _, kind = name.partition("/")
    text = tables(read_result(RESULTS / method / "small" / f"{kind}.json"))
    assert re.search(r"\| (holds|does not hold) \|", text) and "nan" not in text
