# SPDX-License-Identifier: Apache-2.0
"""Alice's method built from options, with its trained pair found or trained."""

from inspect import signature
from typing import Any

from semveil.core.errors import SemveilError
from semveil.core.progress import Note, Progress, quiet, unheard
from semveil.core.registry import unknown_option
from semveil.core.rng import streams
from semveil.link import PAIR_SEED
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.methods.options import plain_numbers
from semveil.methods.pairs import NoPair, find_pair
from semveil.methods.protection_options import check_options
from semveil.methods.protections import PROTECTIONS, chosen_protection
from semveil.methods.shared_key import SharedKey
from semveil.models.face import FaceModel, model_folders
from semveil.protection.pair import PairSettings, TrainedPair
from semveil.training.protector import find_or_train_pair

_OPTIONS = tuple(name for name in signature(DPSemCom).parameters if name not in ("model", "pair", "key"))
_TRAINED = ("epsilon", "calibration", "private_codes")  # settings fixed by the training of a pair


class PairMissing(SemveilError):
    """No pair is trained for these settings; the error message names the command that trains it."""


def sender(
    model: FaceModel,
    *,
    key: SharedKey | None = None,
    pair: TrainedPair | None = None,
    train: bool = True,
    progress: Progress = quiet,
    note: Note = unheard,
    **options: Any,
) -> DPSemCom:
    """Build Alice's method; a missing pair is trained, or the command for it is named.

    Args:
        model: loaded face model.
        key: key that Alice shares with Bob.
        pair: a trained pair for `nn`; other options must agree with its settings.
        train: train a missing pair now (takes minutes; the pair is kept).
        progress: receives the epochs of the training.
        note: receives a line when a training begins.
        options: further arguments of `DPSemCom`; None leaves an option at its default.

    Raises:
        ValueError: incompatible options, or a pair trained for other settings.
        PairMissing: there is no pair, and training is not allowed.
    """
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise ValueError(unknown_option("dp-semcom", unknown[0], _OPTIONS))
    asked = {name: value for name, value in plain_numbers(options).items() if value is not None}
    protection = chosen_protection(asked.pop("protection", None), asked.pop("mechanism", None))
    if protection is None and key is None and "budget" not in asked:
        protection = "nn" if pair is None else pair.settings.protection
    if protection is None or protection not in PROTECTIONS or PROTECTIONS[protection].trained is None:
        if pair is not None:
            trained = ", ".join(name for name, kind in PROTECTIONS.items() if kind.trained is not None)
            raise ValueError(f"a pair serves a trained protection only ({trained}); leave --pair out")
        return DPSemCom(model, protection=protection, key=key, **asked)
    if pair is not None:
        return _with_pair(model, protection, pair, asked)
    check_options(protection, {**asked, "key": key, "deniable": not asked.get("authenticate", True)})
    if PROTECTIONS[protection].never_fewer and "private_codes" in asked:
        raise ValueError(f"protection {protection!r} changes all codes; leave private_codes out")
    settings = pair_settings(
        model, protection=protection, **{name: asked[name] for name in _TRAINED if name in asked}
    )
    return DPSemCom(
        model, pair=_find_or_train(model, settings, train, progress, note), protection=protection, **asked
    )


def _with_pair(model: FaceModel, protection: str, pair: TrainedPair, asked: dict[str, Any]) -> DPSemCom:
    """Build the method for a given pair; other options must agree with the pair's settings."""
    own = pair.settings
    trained = dict(zip(_TRAINED, (own.epsilon, own.calibration, own.codes), strict=True))
    for name, value in trained.items():
        wanted = asked.get(name)
        if wanted is not None and wanted != value:
            raise ValueError(f"the pair was trained for {name} {value}, not {wanted}; leave the option out")
    method = DPSemCom(model, protection=protection, pair=pair, **(asked | {"private_codes": own.codes}))
    if abs(own.scale / method.calibration.scale - 1) > 1e-4:
        raise ValueError(
            f"the pair imitates noise of scale {own.scale:g}; model {model.name} needs "
            f"{method.calibration.scale:g}"
        )
    return method


def _find_or_train(
    model: FaceModel, settings: PairSettings, train: bool, progress: Progress, note: Note
) -> TrainedPair:
    try:
        return find_pair(model, settings)
    except NoPair as missing:
        if not train:
            raise PairMissing(f"{missing}; train it with: {training_command(model, settings)}") from missing
    note(
        f"no pair is trained for epsilon {settings.epsilon:g} ({settings.calibration}); training one now, "
        "once"
    )

    def tick(epoch: int, epochs: int, loss: float) -> None:
        progress("Training a pair", epoch, epochs)

    return find_or_train_pair(model, settings, rng=streams(PAIR_SEED)["train"], progress=tick)


def training_command(model: FaceModel, settings: PairSettings) -> str:
    """Command line that trains a pair with these settings.

    Args:
        model: face model of the pair; given by its folder if its name would not find it.
        settings: epsilon, private codes, calibration and protection.
    """
    known = model.folder is None or model_folders().get(model.name) == model.folder
    return (
        f"semveil train protector --model {model.name if known else model.folder} --epsilon "
        f"{settings.epsilon:g} --private-codes {','.join(map(str, settings.noised_codes))} --calibration "
        f"{settings.calibration}"
        + ("" if settings.protection == "nn" else f" --protection {settings.protection}")
    )
