"""Read weight files safely and load them strictly: no code in a file is ever run, no key is silently ignored."""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from semveil.core.errors import SemveilError
from semveil.core.files import atomic_write


class BadCheckpoint(SemveilError):
    """A weight file that is absent, damaged, unsafe, or made for another network."""


def read_checkpoint(path: str | Path, *, allow: Sequence[type] = ()) -> dict[str, Any]:
    """Read a `.safetensors` file or a torch checkpoint onto the CPU without running anything that it contains.

    Args:
        path: the file; its content decides how it is read, by the suffix `.safetensors`.
        allow: plain classes that an official file is known to hold besides tensors, such as `argparse.Namespace`.

    Returns:
        The file's dictionary, as it was saved.

    Raises:
        BadCheckpoint: there is no such file, or it is damaged, is no dictionary, or asks for code to be run.
    """
    path = Path(path)
    if not path.is_file():
        raise BadCheckpoint(f"no weight file {path}")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(list(allow)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadCheckpoint(f"{path.name} holds more than weights, or is no torch file; refused to run it") from error
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise BadCheckpoint(f"{path.name} is damaged or no weight file ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise BadCheckpoint(f"{path.name} holds a {type(content).__name__}, expected a dictionary of weights")
    return content


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a file that `read_checkpoint` reads, whole or not at all.

    Raises:
        OutputError: it cannot be written there.
    """
    with atomic_write(path) as file:
        torch.save(dict(state), file)


def load_strictly(module: nn.Module, state: Mapping[str, Any], *, name: str) -> None:
    """Fill a network from a state dict that must hold exactly the network's keys and shapes, all finite.

    Batch norm's counter `num_batches_tracked`, which old files lack, may be absent.

    Args:
        module: the network to fill.
        state: key -> tensor.
        name: what the weights are called in an error.

    Raises:
        BadCheckpoint: a key is missing, unknown or of another shape, or a value is NaN or infinite.

    Example:
        >>> load_strictly(nn.Linear(2, 1), {"weight": torch.zeros(1, 3)}, name="demo.pt")
        Traceback (most recent call last):
        ...
        semveil.core.checkpoints.BadCheckpoint: demo.pt does not fit Linear: missing bias; weight is (1, 3), expected (1, 2)
    """
    own = {key: tuple(value.shape) for key, value in module.state_dict().items()}
    given = {key: tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__ for key, value in state.items()}
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    unknown = [key for key in given if key not in own]
    problems = [f"missing {_some(missing)}"] if missing else []
    problems += [f"unknown {_some(unknown)}"] if unknown else []
    problems += [f"{key} is {given[key]}, expected {own[key]}" for key in own if key in given and given[key] != own[key]][:3]
    if problems:
        raise BadCheckpoint(f"{name} does not fit {type(module).__name__}: {'; '.join(problems)}")
    broken = [key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise BadCheckpoint(f"{name} holds NaN or infinite values in {_some(broken)}")
    module.load_state_dict(dict(state), strict=False)


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
