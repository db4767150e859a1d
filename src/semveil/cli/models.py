# SPDX-License-Identifier: Apache-2.0
"""`semveil models`: face models and third-party weights on this machine."""

from pathlib import Path
from typing import Annotated, Any

import typer

from semveil.cli import completion, options
from semveil.cli.command import Command, Group
from semveil.cli.console import Line, make_table, show, stages, when_interrupted
from semveil.core.errors import SemveilError
from semveil.core.model_folders import OFFICIAL_MODEL, bundled_folder
from semveil.core.registry import suggest
from semveil.core.weights import CATALOGUE, find, home

app = typer.Typer(
    name="models",
    cls=Group,
    help="List, check and download models and third-party weights.\n\nExample: semveil models list",
)
_LABELS: dict[str, Any] = {
    "latent_shape": "Latent codes",
    "digest": "SHA-256",
    "pairs": "Trained pairs",
    "url": "Address",
    "megabytes": "Megabytes",
    "perceptual": "Perceptual term",
    "inversion": {"mse": "squared error weight", "perceptual": "perceptual weight", "prior": "prior weight"},
    "settings": {"rate": "learning rate"},
}  # of facts in a model's card, and in its groups, where the key does not say it
OFFICIAL_WEIGHTS = "semantic-stylegan"
IDENTITY, NOISE_IMAGE = "identity model", "noise-image model"


class VerificationFailed(SemveilError):
    """Failed check of a model or file."""


@app.command("list", cls=Command)
def list_models(as_json: options.Json = False) -> None:
    """List models and third-party weights.

    Example: semveil models list
    """
    models: list[dict[str, Any]] = [
        {"name": name, "kind": kind, "path": str(path)} for name, (kind, path) in _models().items()
    ]
    models.append(_official())
    weights = [
        {
            "name": name,
            "kind": "weights",
            "path": str(path) if (path := find(name)) else None,
            "purpose": CATALOGUE[name].purpose,
        }
        for name in CATALOGUE
    ]
    rows = [
        (entry["name"], entry.get("purpose", entry["kind"]), _place(entry["path"], home()))
        for entry in models + weights
    ]
    table = None if as_json else make_table(["name", "what it is", "where"], rows)
    lines: list[Line] = [
        (
            "Home",
            f"{home()}; weights are looked for there and in its folder weights. A dash: not on this machine.",
        ),
        ("Next", "semveil models info NAME, semveil models get NAME"),
    ]
    show({"models": models, "weights": weights, "home": str(home())}, lines, as_json=as_json, table=table)


@app.command(cls=Command)
def info(
    name: Annotated[
        str,
        typer.Argument(
            help="Name or folder of a model, or name of third-party weights.",
            metavar="NAME",
            autocompletion=completion.model_or_weights,
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Show a model's card, or the source and terms of weights.

    Example: semveil models info faces-128
    """
    result = _weights_card(name) if name in CATALOGUE else _model_card(name)
    lines = [
        line
        for key, value in result.items()
        if value not in (None, "", [])
        for line in _card_lines(key, value)
    ]
    show(result, lines, as_json=as_json)


@app.command(cls=Command)
def get(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of third-party weights.", metavar="NAME", autocompletion=completion.weights
        ),
    ],
    as_json: options.Json = False,
) -> None:
    """Download third-party weights into SEMVEIL_HOME/weights.

    Weights that they depend on are downloaded too. Run it again to resume after a break.

    Example: semveil models get lpips-alex
    """
    from semveil.core.weights import get as download

    if name in (models := _models()):
        path = models[name][1]
        where = "is bundled with semveil" if path.parent == bundled_folder() else f"lies in {path}"
        show({"name": name, "path": str(path)}, [f"{name} {where}; nothing to download."], as_json=as_json)
        return
    if name == OFFICIAL_MODEL:
        raise ValueError(f"{name} is read from weights: semveil models get {OFFICIAL_WEIGHTS}")
    kept = f"what was downloaded is kept; run semveil models get {name} again to go on"
    with when_interrupted(kept), stages(quiet=as_json) as advance:
        path = download(name, progress=advance)
    show({"name": name, "path": str(path)}, [f"{name} lies in {path}."], as_json=as_json)


@app.command(cls=Command)
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Models (names or folders), weights or files; all on this machine by default.",
            metavar="NAME|PATH...",
            autocompletion=completion.model_or_weights,
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Check models and weights.

    Models must load and hold finite numbers, weights must have the catalogue's SHA-256.

    Example: semveil models verify faces-128
    """
    if not names:
        names = [*_models(), *(name for name in CATALOGUE if find(name))]
    checks = [_verified(name) for name in names]
    table = (
        None
        if as_json
        else make_table(["name", "state", "SHA-256"], [(c["name"], c["state"], c["sha256"]) for c in checks])
    )
    show({"checks": checks}, as_json=as_json, table=table)
    wrong = [check["name"] for check in checks if not check["good"]]
    if wrong:
        raise VerificationFailed(f"not what they must be: {', '.join(wrong)}")


def _card_lines(key: str, value: Any) -> list[Line]:
    """Lines for one fact of a card under a readable label; a group of settings is one line."""
    named = _LABELS.get(key)
    label = named if isinstance(named, str) else key.replace("_", " ").capitalize()
    if isinstance(named, dict):
        value = {named.get(name, name): inner for name, inner in value.items()}
    if key == "card":
        return [line for part, inner in value.items() if part != "size" for line in _card_lines(part, inner)]
    if key == "clip_box":
        return [(label, f"{value['lower']:.4g} to {value['upper']:.4g}; {value['source']}")]
    if key == "pairs":
        return [(label if i == 0 else "", str(pair)) for i, pair in enumerate(value)]
    if key == "size":
        return [(label, f"{value} x {value} px")]
    return [(label, _fact(value).replace("_", " ") if key == "classes" else _fact(value))]


def _fact(value: Any) -> str:
    """A setting as text; those of a group with their names."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        told = {name.replace("_", " "): inner for name, inner in value.items()}
        return ", ".join(
            f"{name} ({_fact(inner)})" if isinstance(inner, dict) else f"{name} {_fact(inner)}"
            for name, inner in told.items()
            if inner is not None
        )
    if isinstance(value, list):
        words = any(isinstance(item, str) for item in value)
        return (", " if words else " x ").join(
            f"({_fact(item)})" if isinstance(item, list) else _fact(item) for item in value
        )
    return f"{value:g}" if isinstance(value, float) else str(value)


def _place(path: str | None, home: Path) -> str | None:
    """Short form of a file's location."""
    if path is None:
        return None
    if Path(path).parent == bundled_folder():
        return "bundled"
    return str(Path(path).relative_to(home)) if Path(path).is_relative_to(home) else path


def _official() -> dict[str, Any]:
    """Entry of the face model that is read from the official weights, for `list`."""
    path = find(OFFICIAL_WEIGHTS)
    return {
        "name": OFFICIAL_MODEL,
        "kind": "face model",
        "path": str(path) if path else None,
        "purpose": "face model of 512 px"
        + ("" if path else f"; its weights: semveil models get {OFFICIAL_WEIGHTS}"),
    }


def _models() -> dict[str, tuple[str, Path]]:
    """Kind and folder of every model on this machine, by name."""
    from semveil.core.model_folders import KINDS, folders_with

    return {name: (kind, path) for kind, card in KINDS.items() for name, path in folders_with(card).items()}


def _placed(name: str) -> tuple[str, Path] | tuple[None, None]:
    """Kind and folder of a model, by its name or folder; None if it is neither."""
    from semveil.core.model_folders import KINDS

    folders = [(kind, Path(name)) for kind, card in KINDS.items() if (Path(name) / card).is_file()]
    return _models().get(name) or next(iter(folders), (None, None))


def _other_model(name: str) -> Any:
    """A model that is not a face model; None for face models and unknown names."""
    from semveil.models.identity import load_identity_model
    from semveil.models.noise_image import load_noise_image_model

    kind, _ = _placed(name)
    if kind == IDENTITY:
        return load_identity_model(name)
    return load_noise_image_model(name) if kind == NOISE_IMAGE else None


def _verified(name: str) -> dict[str, Any]:
    from semveil.core.weights import require, verify
    from semveil.methods.pairs import list_pairs, read_pair
    from semveil.models.face import load_model

    path = find(name) if name in CATALOGUE else Path(name)
    if path is None:
        require(name)
    elif path.is_file():
        found = verify(path)
        state = {True: "as in the catalogue", False: "differs from the catalogue", None: "no hash known"}[
            found.matches
        ]
        return {"name": name, "good": found.matches is not False, "state": state, "sha256": found.sha256}
    _check_name(name)
    try:
        if other := _other_model(name):
            return {"name": name, "good": True, "state": "loads", "sha256": other.digest}
        model = load_model(name)
        pairs = [read_pair(pair) for pair in list_pairs(model)]
    except SemveilError as error:
        return {"name": name, "good": False, "state": str(error), "sha256": None}
    return {"name": name, "good": True, "state": f"loads; {len(pairs)} trained pairs", "sha256": model.digest}


def _check_name(name: str) -> None:
    """Refuse what names neither a model, nor weights, nor a model's folder."""
    names = [*_models(), OFFICIAL_MODEL, *CATALOGUE]
    if name not in names and _placed(name)[0] is None:
        raise ValueError(
            f"no model or weights named {name!r}{suggest(name, names)}; see: semveil models list"
        )


def _weights_card(name: str) -> dict[str, Any]:
    from dataclasses import asdict

    entry, path = CATALOGUE[name], find(name)
    files = [file.name for file in entry.files]
    return {**asdict(entry), "files": files, "needs": list(entry.needs), "path": str(path) if path else None}


def _model_card(name: str) -> dict[str, Any]:
    from semveil.methods.pairs import list_pairs, read_pair
    from semveil.models.face import load_model
    from semveil.models.folder import box_as_dict

    if other := _other_model(name):
        kind, folder = _placed(name)
        said = {"name": name, "kind": kind, "size": other.size, "digest": other.digest, "folder": str(folder)}
        return {**said, "card": dict(other.card)}
    _check_name(name)
    model = load_model(name)
    pairs = sorted((read_pair(path).settings for path in list_pairs(model)), key=lambda pair: pair.epsilon)
    return {
        "name": model.name,
        "size": model.size,
        "latent_shape": list(model.latent_shape),
        "digest": model.digest,
        "folder": str(model.folder) if model.folder else None,
        "card": {
            key: value for key, value in model.card.items() if key not in ("clip_box", "generator", "encoder")
        },
        "clip_box": box_as_dict(model.box),
        "pairs": [
            f"nominal epsilon {p.epsilon:g} ({p.calibration}), codes {','.join(map(str, p.codes))}, "
            f"{p.noise} noise"
            for p in pairs
        ],
    }
