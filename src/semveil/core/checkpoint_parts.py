# SPDX-License-Identifier: Apache-2.0
"""Reading of one network from a training checkpoint that holds several, distinguished by key prefixes."""

from argparse import Namespace
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from semveil.core.checkpoints import BadCheckpoint, read_checkpoint


def read_part(
    source: str | Path | Mapping[str, Any], prefix: str, *, beside: Collection[str]
) -> tuple[dict[str, Any], str]:
    """Extract the weights of one network from a checkpoint.

    Args:
        source: path of a checkpoint, its content (weights under `state_dict`), or a bare state dict.
        prefix: name of the network in the checkpoint; its keys start with `prefix.`.
        beside: names of other networks that the checkpoint may hold; their weights are ignored.

    Returns:
        The state dict without the prefix, and a name of the source for error messages.

    Raises:
        BadCheckpoint: the file is missing, damaged or unsafe, lacks the network, or holds a network not
            listed.

    Example:
        >>> read_part({"E.bias": 1, "G.bias": 2}, "G", beside=["E"])
        ({'bias': 2}, 'the G weights')
    """
    content = source if isinstance(source, Mapping) else read_checkpoint(source, allow=[Namespace])
    name = f"the {prefix} weights" if isinstance(source, Mapping) else f"{prefix} of {Path(source).name}"
    state = content.get("state_dict", content)
    if not isinstance(state, Mapping):
        raise BadCheckpoint(
            f"{name}: the checkpoint's state_dict is a {type(state).__name__}, expected a dictionary of "
            "weights"
        )
    foreign = [key for key in state if key.partition(".")[0] not in {prefix, *beside}]
    if foreign:
        known = ", ".join(f"{part}.*" for part in (prefix, *beside))
        raise BadCheckpoint(f"{name}: unknown {foreign[0]}; expected keys {known}")
    part = {
        key.removeprefix(f"{prefix}."): value for key, value in state.items() if key.startswith(f"{prefix}.")
    }
    if not part:
        raise BadCheckpoint(f"{name}: the checkpoint holds no keys {prefix}.*")
    return part, name
