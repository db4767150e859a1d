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
    """Return a table that depends only on a latent model and its bounds.

    Args:
        make: returns the table of a model as Markdown.
        run: the run; its model, or the bundled one, is loaded. Data and preset are not used.
    """
    model = load_latent_model(run.model or DEFAULT_MODEL)
    return Text(
        {"model": {"name": model.name, "digest": model.digest, "bounds": model.bounds().digest}},
        partial(make, model),
    )


def about(result: dict[str, Any]) -> str:
    """Return the paragraph above a table: photos, model, recogniser and the number of photos.

    Args:
        result: content of a result file.
    """
    config = result["config"]
    model, verifier = config["model"], config["verifier"]
    looked = min(config["preset"]["detected"], config["photos"]["count"])
    return (
        f"{config['photos']['description']}; model {model['name']} (`{model['digest'][:12]}`); recogniser "
        f"{recogniser(result)} ({verifier['threshold_from']}). Mean over photos with a 95 % bootstrap "
        f"interval; face detection on the first {looked}."
    )


def guaranteed(guarantee: dict[str, Any]) -> str:
    """Return the table cell of a guarantee: epsilon, delta if not zero, basis, and coverage if partial.

    Args:
        guarantee: see `Guarantee.as_dict`.
    """
    epsilon, basis = guarantee["epsilon"], guarantee["basis"]
    if epsilon is None:
        return f"none ({basis})"
    part = f"; {guarantee['covers']} only" if guarantee["whole_record_epsilon"] is None else ""
    delta = f" at δ {guarantee['delta']:g}" if guarantee["delta"] else ""
    return f"{number(epsilon)}{delta} ({basis}{part})"


def in_doubt(inverted: dict[str, Any]) -> str:
    """Return the warning of `doubt` as the end of a sentence, or nothing.

    Args:
        inverted: as for `doubt`.
    """
    caution = doubt(inverted)
    return f"; {caution}" if caution else ""
