# SPDX-License-Identifier: Apache-2.0
"""One network out of a training checkpoint that holds several under prefixes of their keys."""

from argparse import Namespace
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from semveil.core.checkpoints import BadCheckpoint, read_checkpoint


def read_part(
    source: str | Path | Mapping[str, Any], prefix: str, *, beside: Collection[str]
) -> tuple[dict[str, Any], str]:
    """The weights whose keys start with `prefix.`, without it, and what to call the source in an error.

    Args:
        source: path of a checkpoint, its content (weights under `state_dict`), or a bare state dict.
        prefix: the network's name in it.
        beside: names of the other networks that may stand in it; their weights are left alone.

    Raises:
        BadCheckpoint: the file is absent, damaged or unsafe, holds no such network, or holds one of another
            name.

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
