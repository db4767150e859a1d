# SPDX-License-Identifier: Apache-2.0
"""What the tables and claims of dp-image and latent-dp share."""

from typing import Any

from semveil.experiments.kit.plots import doubt, number, recogniser

_LPIPS = ("LPIPS", "LPIPS-Squeeze")


def about(result: dict[str, Any]) -> str:
    config = result["config"]
    model, verifier = config["model"], config["verifier"]
    looked = min(config["preset"]["detected"], config["photos"]["count"])
    return (
        f"{config['photos']['description']}; model {model['name']} (`{model['digest'][:12]}`); recogniser "
        f"{recogniser(result)} ({verifier['threshold_from']}). Mean over photos with a 95 % bootstrap interval; faces were "
        f"looked for in the first {looked}."
    )


def guaranteed(guarantee: dict[str, Any]) -> str:
    epsilon, basis = guarantee["epsilon"], guarantee["basis"]
    if epsilon is None:
        return f"none ({basis})"
    part = f"; {guarantee['covers']} alone" if guarantee["whole_record_epsilon"] is None else ""
    delta = f" at δ {guarantee['delta']:g}" if guarantee["delta"] else ""
    return f"{number(epsilon)}{delta} ({basis}{part})"


def in_doubt(inverted: dict[str, Any]) -> str:
    """Said of identity wherever the recogniser is in doubt about the inversions."""
    caution = doubt(inverted)
    return f"; {caution}" if caution else ""
