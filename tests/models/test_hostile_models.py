# SPDX-License-Identifier: Apache-2.0
"""Model folders from elsewhere: settings of any kind and size end in one error, before they take time or
memory.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.model_folders import bundled_folder
from semveil.core.network_files import read_network
from semveil.methods.pairs import read_pair
from semveil.models.face import load_model
from semveil.models.identity import load_identity_model
from semveil.models.noise_image import load_noise_image_model
from semveil.models.quantile_bounds import QuantileBounds
from semveil.recognition.identity_encoder import load_identity_encoder

VALUES = (2**30, -1, 0, 10**40, 1e300, float("nan"), 2.5, "x", None, True, [], [2**30], {}, [[1]])
NOT_OBJECTS = ("", "[]", "7", "null", '"x"', "{", "[" * 100_000, "\ufffe")
MODELS: dict[str, tuple[str, str, Callable[[str], Any]]] = {
    "faces": ("faces-128", "model.json", load_model),
    "identity": ("identity-128", "fusion.json", load_identity_model),
    "noise-image": ("noise-image-32", "noise-image.json", load_noise_image_model),
}
# A limit that is not reached, or a choice that changes no weight: other settings of the right kind are no
# fault there.
FREE = (
    "channel_cap",
    "channel_multiplier",
    "residual_refine",
    "dropout",
    "transparent_parts",
    "render_channels",
    "skip",
)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Callable[[], Any]]:
    """A copy's card, and what loads the copy anew."""
    name, card, load = MODELS[request.param]
    shutil.copytree(bundled_folder() / name, tmp_path / name, ignore=shutil.ignore_patterns("pairs"))

    def anew() -> Any:
        load.cache_clear()  # type: ignore[attr-defined]
        return load(str(tmp_path / name))

    return tmp_path / name / card, anew


def test_cards_that_are_no_cards_are_refused(model: tuple[Path, Callable[[], Any]]) -> None:
    card, load = model
    load()
    for content in (*NOT_OBJECTS, "{}"):
        card.write_text(content)
        with pytest.raises(BadCheckpoint, match=card.name):
            load()
    card.write_bytes(b"\xff\xff")
    with pytest.raises(BadCheckpoint, match=card.name):
        load()


def test_a_card_with_a_byte_order_mark_and_other_line_ends_is_read(
    model: tuple[Path, Callable[[], Any]],
) -> None:
    card, load = model
    card.write_bytes(b"\xef\xbb\xbf" + card.read_bytes().replace(b"\n", b"\r\n"))
    load()


def test_every_setting_of_a_network_is_of_its_kind_and_asks_for_the_weights_there_are(
    model: tuple[Path, Callable[[], Any]],
) -> None:
    path, load = model
    card = json.loads(path.read_text())
    accepted = []
    for part in ("generator", "encoder", "attributes", "fusion", "explainer", "service"):
        for key in card.get(part, {}):
            for value in VALUES:
                path.write_text(json.dumps({**card, part: {**card[part], key: value}}))
                try:
                    load()
                except BadCheckpoint:
                    continue
                accepted.append((key, value))
    assert [one for one in accepted if one[0] not in FREE and one[1] != card_value(card, one[0])] == []


def card_value(card: dict[str, Any], key: str) -> Any:
    """What the untouched card says, in the part that has the setting."""
    return next(part[key] for part in card.values() if isinstance(part, dict) and key in part)


@pytest.mark.parametrize(
    "change",
    [
        {"inversion": {"steps": 10**12}}, {"inversion": {"steps": -1}}, {"inversion": {"batch": 0}},
        {"inversion": []},
        {"inversion": {"learning_rate": "fast"}}, {"inversion": {"no such": 1}},
        {"clip_box": {"lower": "a", "upper": 1}},
        {"clip_box": {"lower": 1, "upper": 0, "source": ""}}, {"clip_box": 7}, {"architecture": []},
        {"whitening": 1.5}, {"whitening": "half"}, {"whitening": float("nan")},
    ],
)  # fmt: skip
def test_what_else_a_face_model_states_is_checked(tmp_path: Path, change: dict) -> None:
    folder = shutil.copytree(
        bundled_folder() / "faces-128", tmp_path / "copy", ignore=shutil.ignore_patterns("pairs")
    )
    card = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(card | change))
    with pytest.raises(BadCheckpoint, match=r"model\.json"):
        load_model(str(folder))


@pytest.mark.parametrize(
    "prior", [{}, {"mean": (28, 64)}, {"mean": (28, 64), "factors": (2, 28, 63), "residual": (28, 64)}]
)
def test_a_prior_of_another_model_is_refused(tmp_path: Path, prior: dict) -> None:
    folder = shutil.copytree(
        bundled_folder() / "faces-128", tmp_path / "copy", ignore=shutil.ignore_patterns("pairs")
    )
    save_file({key: torch.zeros(shape) for key, shape in prior.items()}, folder / "prior.safetensors")
    with pytest.raises(BadCheckpoint, match="prior"):
        load_model(str(folder))


@pytest.mark.parametrize("size", [10**9, 4097, 0, "32", 32.5])
def test_a_size_that_no_weight_depends_on_is_bounded(tmp_path: Path, size: object) -> None:
    folder = shutil.copytree(bundled_folder() / "noise-image-32", tmp_path / "copy")
    card = json.loads((folder / "noise-image.json").read_text())
    (folder / "noise-image.json").write_text(json.dumps(card | {"size": size}))
    with pytest.raises(BadCheckpoint, match=r"noise-image\.json"):
        load_noise_image_model(str(folder))


PAIR = {"codes": [0, 1], "style_dim": 2, "epsilon": 1.0, "calibration": "corrected", "scale": 1.0}


@pytest.mark.parametrize("key", ["style_dim", "codes", "epsilon", "scale", "start", "more"])
def test_pairs_of_any_settings_are_refused(tmp_path: Path, key: str) -> None:
    weights = {f"{layer}.{kind}": torch.zeros((4, 4) if kind == "weight" else 4)
               for layer in ("protection", "deprotection") for kind in ("weight", "bias")}  # fmt: skip
    path = tmp_path / "pair.safetensors"
    save_file(weights, path, {"settings": json.dumps(PAIR)})
    read_pair(path)
    for value in (*VALUES, 2**40, [0, 0], [0, 1, 2]):
        if key in ("epsilon", "scale") and type(value) in (int, float) and 0 < value < 1e301:
            continue  # another pair, as good as the first
        save_file(weights, path, {"settings": json.dumps({**PAIR, key: value})})
        with pytest.raises(BadCheckpoint, match="pair"):
            read_pair(path)


def test_files_that_are_no_pairs_are_refused(tmp_path: Path) -> None:
    torch.save({"a": "text"}, tmp_path / "a.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "b.pt")
    save_file({"a": torch.zeros(1, dtype=torch.int64)}, tmp_path / "c.safetensors")
    for number, text in enumerate((*NOT_OBJECTS, "{}")):
        save_file({"a": torch.zeros(1)}, tmp_path / f"{number}.safetensors", {"settings": text})
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(BadCheckpoint):
            read_pair(path)
    with pytest.raises(BadCheckpoint, match="other things than weights"):
        read_network(tmp_path / "a.pt")


@pytest.mark.parametrize("text", NOT_OBJECTS)
def test_what_is_said_beside_other_weights_is_checked_too(tmp_path: Path, text: str) -> None:
    bounds = {key: torch.zeros(1, 1, 1, dtype=torch.float16) for key in ("lower", "upper")}
    save_file(bounds, tmp_path / "quantiles.safetensors", {"about": text})
    with pytest.raises(BadCheckpoint):
        QuantileBounds.load(tmp_path / "quantiles.safetensors", (1, 1))
    weights = load_file(bundled_folder() / "identity-128" / "identity_encoder.safetensors")
    save_file(weights, tmp_path / "encoder.safetensors", {"config": text})
    with pytest.raises(BadCheckpoint):
        load_identity_encoder(tmp_path / "encoder.safetensors")
