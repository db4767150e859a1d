# SPDX-License-Identifier: Apache-2.0
"""Helpers shared by the tables and claims of dp-image and latent-dp."""

from collections.abc import Callable
from functools import partial
from typing import Any

from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.plots import doubt, number, recogniser
from semveil.experiments.kit.text_table import Text
from semveil.methods.latent_model import LatentModel, load_latent_model
from semveil.models.face import DEFAULT_MODEL


def of_model(make: Callable[[LatentModel], str], run: Run) -> Text:
    """A table that follows from a latent model and the bounds that it brings alone.

    Args:
        make: model -> the table as Markdown.
        run: whose model is loaded, the bundled one where it names none; data and size are not used.
    """
    model = load_latent_model(run.model or DEFAULT_MODEL)
    return Text(
        {"model": {"name": model.name, "digest": model.digest, "bounds": model.bounds().digest}},
        partial(make, model),
    )


def about(result: dict[str, Any]) -> str:
    """What was measured, by which model and recogniser, and over how many photos: the sentence above a table."""
    config = result["config"]
    model, verifier = config["model"], config["verifier"]
    looked = min(config["preset"]["detected"], config["photos"]["count"])
    return (
        f"{config['photos']['description']}; model {model['name']} (`{model['digest'][:12]}`); recogniser "
        f"{recogniser(result)} ({verifier['threshold_from']}). Mean over photos with a 95 % bootstrap "
        f"interval; face detection on the first {looked}."
    )


def guaranteed(guarantee: dict[str, Any]) -> str:
    """An epsilon in a table's cell, with delta where there is one, its basis, and what alone it covers.

    Args:
        guarantee: as `Guarantee.as_dict` gives it.
    """
    epsilon, basis = guarantee["epsilon"], guarantee["basis"]
    if epsilon is None:
        return f"none ({basis})"
    part = f"; {guarantee['covers']} only" if guarantee["whole_record_epsilon"] is None else ""
    delta = f" at δ {guarantee['delta']:g}" if guarantee["delta"] else ""
    return f"{number(epsilon)}{delta} ({basis}{part})"


def in_doubt(inverted: dict[str, Any]) -> str:
    """Said of identity wherever the recogniser is in doubt about the inversions.

    Args:
        inverted: as for `doubt`.
    """
    caution = doubt(inverted)
    return f"; {caution}" if caution else ""
