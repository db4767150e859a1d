"""Build what Alice needs from options: photos, model, method and its trained pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from semveil.cli.console import note, progress
from semveil.cli.options import OptionError
from semveil.cli.photo_names import photo_names
from semveil.core.errors import SemveilError

if TYPE_CHECKING:
    from torch import Tensor

    from semveil.methods.dp_semcom import DPSemCom
    from semveil.methods.face_model import FaceModel
    from semveil.methods.shared_key import SharedKey
    from semveil.protection.linear_pair import LinearPair, PairSettings

PAIR_SEED = 0  # two machines that train the same pair with the same versions get the same one


class PairMissing(SemveilError):
    """No pair is trained for what is asked; the message names the command that trains it."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Aligned faces of several photos: images (B, 3, S, S), and a name for each."""

    images: "Tensor"
    ids: tuple[str, ...]


def default_model() -> str:
    from semveil.methods.face_model import DEFAULT_MODEL

    return DEFAULT_MODEL


def load_faces(paths: Sequence[Path], model: "FaceModel", face: str | None, *, quiet: bool, names: str = "numbers") -> Faces:
    """Read all photos, or fail before anything is computed.

    Names are those of `photo_names`, such as `anna` or `photo-1`, with `-face-0` and so on for several faces of a photo.
    """
    from semveil.core.pixels import to_tensor
    from semveil.data.faces import load_aligned_faces

    crops, ids = [], []
    called = photo_names(paths, names)
    with progress("Finding faces", quiet=quiet) as advance:
        for number, path in enumerate(paths, 1):
            found = load_aligned_faces(path, size=model.size, selection=face)
            for text in found[0].photo.notes:
                note(f"{called[number - 1]}: {text}")
            crops += [one.aligned.pixels for one in found]
            name = called[number - 1]
            ids += [name if len(found) == 1 else f"{name}-face-{one.index}" for one in found]
            advance(number, len(paths))
    return Faces(to_tensor(crops), tuple(ids))


@dataclass(frozen=True, kw_only=True)
class ProtectionOptions:
    """What the user asks of the protection; None where he leaves it to the method."""

    protection: str | None = None
    codes: tuple[int, ...] | None = None
    epsilon: float | None = None
    calibration: str | None = None
    budget: str | None = None
    delta: float | None = None
    guard: float | None = None
    deniable: bool = False
    perceptual: str | None = None

    def check(self, *, keyed: bool) -> None:
        """Refuse what does not go together, before anything is loaded."""
        if self.budget is not None and (self.codes is not None or self.epsilon is not None):
            raise OptionError("--budget names parts and epsilons itself; leave --epsilon, --private and --private-codes out")
        if keyed and self.protection not in (None, "rotation", "modulo"):
            raise OptionError(f"--protection {self.protection} uses no key; leave it out, or take rotation or modulo")
        if self.deniable and not (keyed or self.protection in ("rotation", "modulo")):
            raise OptionError("--deniable is for keyed protection; give --key, or leave it out")
        if self.delta is not None and self.protection != "gaussian":
            raise OptionError("--delta is for --protection gaussian")
        if self.guard is not None and self.protection != "modulo":
            raise OptionError("--guard is for --protection modulo")
        if self.codes is not None and self.protection == "none":
            raise OptionError("--protection none protects no codes; leave --private and --private-codes out")


def build_method(
    model: "FaceModel",
    asked: ProtectionOptions,
    *,
    key: "SharedKey | None" = None,
    pair_file: Path | None = None,
    train: bool,
    quiet: bool,
) -> "DPSemCom":
    """Alice's method; a pair that is missing is trained with progress, or the command for it is named.

    Raises:
        OptionError: the pair's file was trained for something else.
        PairMissing: there is no pair, and none may be trained.
    """
    from semveil.mechanisms import parse_budget
    from semveil.methods.dp_semcom import DPSemCom, pair_settings
    from semveil.methods.pairs import read_pair
    from semveil.methods.protection_options import check_options

    make = partial(
        DPSemCom,
        model,
        private_codes=asked.codes,
        epsilon=asked.epsilon,
        calibration=asked.calibration,
        budget=None if asked.budget is None else parse_budget(asked.budget),
        key=key,
        authenticate=not asked.deniable,
        perceptual=asked.perceptual,
        **{name: value for name in ("delta", "guard") if (value := getattr(asked, name)) is not None},
    )
    trained = asked.protection == "nn" or (asked.protection is None and key is None and asked.budget is None)
    if not trained:
        if pair_file is not None:
            raise OptionError("--pair serves --protection nn only")
        return make(protection=asked.protection)
    if pair_file is None:
        check_options("nn", make.keywords | {"deniable": asked.deniable})
        chosen: dict[str, Any] = {"private_codes": asked.codes, "epsilon": asked.epsilon, "calibration": asked.calibration}
        settings = pair_settings(model, **{name: value for name, value in chosen.items() if value is not None})
        return make(protection="nn", pair=_find_or_train(model, settings, train=train, quiet=quiet))
    pair = read_pair(pair_file)
    _check_asked(pair.settings, {"epsilon": asked.epsilon, "calibration": asked.calibration, "codes": asked.codes})
    own = pair.settings
    method = make(protection="nn", pair=pair, private_codes=own.codes)
    if abs(own.scale / method.calibration.scale - 1) > 1e-4:
        raise OptionError(
            f"the pair imitates noise of scale {own.scale:g}; model {model.name} needs {method.calibration.scale:g}"
        )
    return method


def _check_asked(trained: "PairSettings", asked: dict[str, Any]) -> None:
    """What the user asks for beside a pair's file must be what the pair was trained for."""
    for name, wanted in asked.items():
        own = getattr(trained, name)
        if wanted is not None and wanted != own:
            raise OptionError(f"the pair was trained for {name} {own}, not {wanted}; leave the option out")


def _find_or_train(model: "FaceModel", settings: "PairSettings", *, train: bool, quiet: bool) -> "LinearPair":
    from semveil.core.rng import streams
    from semveil.methods.pairs import NoPair, find_pair
    from semveil.training.protector import find_or_train_pair

    try:
        return find_pair(model, settings)
    except NoPair as missing:
        if not train:
            raise PairMissing(f"{missing}; train it with: {training_command(model, settings)}") from missing
    note(f"no pair is trained for epsilon {settings.epsilon:g} ({settings.calibration}); training one now, once")
    with progress("Training a pair", quiet=quiet) as advance:
        return find_or_train_pair(model, settings, rng=streams(PAIR_SEED)["train"], progress=advance)


def training_command(model: "FaceModel", settings: "PairSettings") -> str:
    """The command line that trains a pair."""
    from semveil.methods.face_model import model_folders

    known = model.folder is None or model_folders().get(model.name) == model.folder
    return (
        f"semveil train protector --model {model.name if known else model.folder} --epsilon {settings.epsilon:g} "
        f"--private-codes {','.join(map(str, settings.codes))} --calibration {settings.calibration}"
    )
