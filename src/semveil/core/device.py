# SPDX-License-Identifier: Apache-2.0
"""Device and precision of network computations.

Weights are read onto the CPU and moved from there. Random numbers are drawn on the CPU and then moved, so
that a seed gives the same numbers on every device; exact noise, keystreams and every computation on which
Alice and Bob must agree stay on the CPU.
"""

import copy
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache, update_wrapper
from typing import Any, ClassVar, Generic, ParamSpec, Protocol, Self, TypeVar

import torch
from torch import nn

from semveil.core.errors import SemveilError

AUTO = "auto"
CPU = torch.device("cpu")  # initial device of weights; exact and random numbers are computed here
PRECISIONS = (torch.float32, torch.float64)


class Movable(Protocol):
    """A torch module, or an object with its interface."""

    def parameters(self, recurse: bool = ...) -> Iterator[nn.Parameter]: ...

    def to(self, *args: Any, **kwargs: Any) -> Self: ...


Network = TypeVar("Network", bound=Movable)


class DeviceError(SemveilError):
    """The device is unavailable; the message names the available ones."""

    exit_code: ClassVar[int] = 2


def devices() -> tuple[str, ...]:
    """Return the names of this machine's devices, the CPU first."""
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return (CPU.type, *(f"cuda:{i}" for i in range(gpus)))


def choose_device(name: str | torch.device = AUTO) -> torch.device:
    """Resolve a device name.

    Args:
        name: `cpu`, `cuda` (the first GPU), `cuda:N`, or `auto` (the first GPU if there is one, else the
            CPU); a device is returned unchanged.

    Raises:
        DeviceError: the device is not available.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
        >>> choose_device("cuda:99")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        semveil.core.device.DeviceError: no device 'cuda:99' here; there is cpu...
    """
    if isinstance(name, torch.device):
        return name
    here = devices()
    if name == AUTO:
        return torch.device(here[min(1, len(here) - 1)])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in here:
        why = (
            " (this torch is built without CUDA)"
            if wanted.startswith("cuda") and not torch.backends.cuda.is_built()
            else ""
        )
        raise DeviceError(
            f"no device {name!r} here; there is {', '.join(here)}{why}, and {AUTO} takes the best of them"
        )
    return torch.device(wanted)


_LOADED_ON = ContextVar("loaded_on", default=CPU)


@contextmanager
def loading_onto(name: str | torch.device) -> Iterator[None]:
    """Context manager that sets the device of models loaded by name within the block.

    Args:
        name: see `choose_device`.

    Raises:
        DeviceError: the device is not available.
    """
    token = _LOADED_ON.set(choose_device(name))
    try:
        yield
    finally:
        _LOADED_ON.reset(token)


class _Movable(Hashable, Protocol):
    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> Self: ...


Asked = ParamSpec("Asked")
Model = TypeVar("Model", bound=_Movable)


class Loader(Generic[Asked, Model]):
    """Cached function that loads models onto the device of `loading_onto`, by default the CPU.

    Args:
        load: loading function, wrapped in `functools.lru_cache`.
    """

    def __init__(self, load: Callable[Asked, Model]) -> None:
        update_wrapper(self, load)
        self._load = load

    def __call__(self, *args: Asked.args, **kwargs: Asked.kwargs) -> Model:
        with torch.inference_mode(False):  # a cached model must be usable in autograd later
            model = self._load(*args, **kwargs)
        device = _LOADED_ON.get()
        return model if device == CPU else _moved_model(model, device)

    def cache_clear(self) -> None:
        """Empty the cache."""
        self._load.cache_clear()  # type: ignore[attr-defined]
        _moved_model.cache_clear()


@lru_cache(maxsize=4)  # models compare by identity
def _moved_model(model: Model, device: torch.device) -> Model:
    return model.to(device)


def half_precision(device: torch.device) -> torch.autocast:
    """Context manager for bfloat16 autocast.

    Args:
        device: that the networks are on.
    """
    return torch.autocast(device.type, torch.bfloat16)


def full_precision(device: torch.device) -> torch.autocast:
    """Context manager that disables an enclosing autocast.

    Args:
        device: that the networks are on.
    """
    return torch.autocast(device.type, enabled=False)


def device_of(network: Movable) -> torch.device:
    """Return the device of a network's weights; the CPU if it has none.

    Args:
        network: a torch module.
    """
    return next(network.parameters(), torch.empty(0, device=CPU)).device


def precision_of(network: Movable) -> torch.dtype:
    """Return the dtype of a network's weights; float32 if it has none.

    Args:
        network: a torch module.
    """
    return next(network.parameters(), torch.empty(0, device=CPU)).dtype


def moved(
    network: Network, device: str | torch.device | None = None, dtype: torch.dtype | None = None
) -> Network:
    """Return a copy of a network on another device or in another precision; itself if nothing changes.

    Args:
        network: a torch module.
        device: see `choose_device`; unchanged if None.
        dtype: float32 or float64; unchanged if None. Half precision is left to autocast, since latents need
            more.

    Raises:
        DeviceError: the device is not available.
        ValueError: any other dtype.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> moved(layer, "cpu") is layer, moved(layer, dtype=torch.float64).weight.dtype, layer.weight.dtype
        (True, torch.float64, torch.float32)
    """
    target = device_of(network) if device is None else choose_device(device)
    kind = precision_of(network) if dtype is None else dtype
    if kind not in PRECISIONS:
        raise ValueError(
            f"networks compute in float32 or float64, got {kind}; half precision is what autocast is for"
        )
    if (target, kind) == (device_of(network), precision_of(network)):
        return network
    with torch.inference_mode(False):  # the copy must be usable in autograd later
        return copy.deepcopy(network).to(target, kind)
