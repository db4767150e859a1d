# SPDX-License-Identifier: Apache-2.0
"""Safe reading and strict loading of weight files: no code is run, no key is silently ignored."""

import pickle
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from semveil.core.errors import SemveilError
from semveil.core.files import atomic_write

Network = TypeVar("Network", bound=nn.Module)
# Largest image side in px that a model's settings may request; weights alone do not limit it.
LARGEST_SIDE = 4096


class BadCheckpoint(SemveilError):
    """A weight file is missing, damaged, unsafe, or made for another network."""


def read_checkpoint(path: str | Path, *, allow: Sequence[type] = ()) -> dict[str, Any]:
    """Read a `.safetensors` file or a torch checkpoint onto the CPU without executing its content.

    Args:
        path: the file; the suffix `.safetensors` selects that format, any other the torch format.
        allow: plain classes that an official file holds besides tensors, such as `argparse.Namespace`.

    Returns:
        The file's dictionary, as it was saved.

    Raises:
        BadCheckpoint: the file is missing, damaged, not a dictionary, or contains code.
    """
    path = Path(path)
    if not path.is_file():
        folder = ": it is a folder; name a file in it" if path.is_dir() else ""
        raise BadCheckpoint(f"no weight file {path}{folder}")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(list(allow)):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise BadCheckpoint(
            f"{path.name} holds more than weights, or is no torch file; refused to run it"
        ) from error
    except Exception as error:  # damaged files raise almost any kind of exception
        raise BadCheckpoint(f"{path.name} is damaged or no weight file ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise BadCheckpoint(f"{path.name} holds a {type(content).__name__}, expected a dictionary of weights")
    return content


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint for `read_checkpoint`, atomically.

    Args:
        path: of the file; replaced if it exists.
        state: tensors and plain values by name.

    Raises:
        OutputError: the path cannot be written.
    """
    with atomic_write(path) as file:
        torch.save(dict(state), file)


def read_metadata(path: str | Path) -> dict[str, str]:
    """Return the metadata of a `.safetensors` file.

    Args:
        path: of the file.

    Raises:
        BadCheckpoint: the file is missing, damaged or of another format.
    """
    path = Path(path)
    if not path.is_file():
        raise BadCheckpoint(f"no weight file {path}")
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} is damaged or no .safetensors file ({error})") from error


def build_to_fit(make: Callable[[], Network], state: Mapping[str, Any], *, name: str) -> Network:
    """Build a network from a file's settings and load its weights, after checking that they match.

    The network is first built on the meta device, without allocating memory, and construction stops once it
    has more parameters than there are weights: settings from a file can request any size. torch's
    global stream, from which constructors draw weights that are then replaced, is restored.

    Args:
        make: constructor of the network; called twice.
        state: as for `load_strictly`.
        name: of the weights, for the message.

    Returns:
        The network, frozen and in evaluation mode.

    Raises:
        BadCheckpoint: the settings are invalid, or do not match the weights.

    Example:
        >>> state = {"weight": torch.zeros(1, 2)}
        >>> build_to_fit(lambda: nn.Linear(2**40, 1), state, name="a.pt")
        Traceback (most recent call last):
        ...
        semveil.core.checkpoints.BadCheckpoint: a.pt does not fit: the settings ask for more than its 2
        numbers
    """
    try:
        with torch.random.fork_rng(devices=[]), _no_larger(state, name), torch.device("meta"):
            outline = make()
    except BadCheckpoint:
        raise
    except Exception as error:  # invalid settings can make a constructor raise anything
        raise BadCheckpoint(
            f"{name}: the settings describe no network ({type(error).__name__}: {error})"
        ) from error
    _check_fit(outline, state, name)
    # networks are cached, so weights of a first call in inference mode must be usable in autograd later
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
        network = make()
    load_strictly(network, state, name=name)
    return network.eval().requires_grad_(False)


@contextmanager
def _no_larger(state: Mapping[str, Any], name: str) -> Iterator[None]:
    """Abort a network's construction in this thread when it has more parameters than there are weights."""
    here, most = (
        threading.get_ident(),
        sum(value.numel() for value in state.values() if isinstance(value, Tensor)),
    )
    numbers = tensors = 0

    def count(module: nn.Module, key: str, parameter: nn.Parameter | None) -> None:
        nonlocal numbers, tensors
        if parameter is None or threading.get_ident() != here:
            return
        numbers, tensors = numbers + parameter.numel(), tensors + 1
        if numbers > most or tensors > len(state):
            raise BadCheckpoint(f"{name} does not fit: the settings ask for more than its {most:,} numbers")

    hook = register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def load_strictly(module: nn.Module, state: Mapping[str, Any], *, name: str) -> None:
    """Load a state dict that must hold exactly the network's keys and shapes, with finite values.

    Batch norm's counter `num_batches_tracked` may be missing, as in old files.

    Args:
        module: the network to fill.
        state: key -> tensor.
        name: of the weights, for the message.

    Raises:
        BadCheckpoint: a key is missing, unknown or of another shape, or a value is NaN or infinite.

    Example:
        >>> state = {"weight": torch.zeros(1, 3)}
        >>> load_strictly(nn.Linear(2, 1), state, name="demo.pt")
        Traceback (most recent call last):
        ...
        semveil.core.checkpoints.BadCheckpoint: demo.pt does not fit Linear: missing bias; weight is (1, 3),
        expected (1, 2)
    """
    _check_fit(module, state, name)
    broken = [key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    if broken:
        raise BadCheckpoint(f"{name} holds NaN or infinite values in {_some(broken)}")
    module.load_state_dict(dict(state), strict=False)


def _check_fit(module: nn.Module, state: Mapping[str, Any], name: str) -> None:
    """Compare the keys, shapes and dtypes of weights with a network's."""
    wanted = module.state_dict()
    own = {key: tuple(value.shape) for key, value in wanted.items()}
    given = {
        key: tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        for key, value in state.items()
    }
    missing = [key for key in own if key not in given and not key.endswith("num_batches_tracked")]
    unknown = [key for key in given if key not in own]
    problems = [f"missing {_some(missing)}"] if missing else []
    problems += [f"unknown {_some(unknown)}"] if unknown else []
    problems += [
        f"{key} is {given[key]}, expected {own[key]}"
        for key in own
        if key in given and given[key] != own[key]
    ][:3]
    problems += [
        f"{key} holds {value.dtype}, expected {wanted[key].dtype}"
        for key, value in state.items()
        if isinstance(value, Tensor)
        and key in wanted
        and value.is_floating_point() != wanted[key].is_floating_point()
    ][:3]
    if problems:
        raise BadCheckpoint(f"{name} does not fit {type(module).__name__}: {'; '.join(problems)}")


def _some(keys: Sequence[str]) -> str:
    return ", ".join(keys[:3]) + (f" and {len(keys) - 3} more" if len(keys) > 3 else "")
