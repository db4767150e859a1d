"""The methods by name."""

import inspect
from typing import Any, Literal, overload

import torch

from semveil.core.device import choose_device
from semveil.core.registry import Registry
from semveil.methods.baselines import BASELINES
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.latent_dp import LatentDP
from semveil.methods.noise_image import NoiseImage
from semveil.methods.release import ImageMethod

METHODS: Registry[type[DPSemCom] | type[ImageMethod]] = Registry("method")
for _method in (DPSemCom, DPImage, LatentDP, IdentityDP, NoiseImage, *BASELINES):
    METHODS.add(_method.name, _method)


def image_methods() -> dict[str, type[ImageMethod]]:
    """The methods that turn photos into protected pictures, by name: those with a `protect`.

    Example:
        >>> "blur" in image_methods(), "dp-semcom" in image_methods()
        (True, False)
    """
    return {name: METHODS[name] for name in METHODS if hasattr(METHODS[name], "protect")}  # type: ignore[misc]


@overload
def load_method(
    name: Literal["dp-semcom"], model: str | None = None, *, device: str | torch.device | None = None, **options: Any
) -> DPSemCom: ...
@overload
def load_method(name: str, model: str | None = None, *, device: str | torch.device | None = None, **options: Any) -> Any: ...
def load_method(name: str, model: str | None = None, *, device: str | torch.device | None = None, **options: Any) -> Any:
    """Build a method by name.

    Args:
        name: `dp-semcom`, whose object sends and receives, or one of `image_methods()`, whose objects `protect` pictures.
        model: name or folder of a face model; the method's default where None.
        device: where its networks compute, see `core.device.choose_device`; where they are loaded (the CPU) if None.
        options: the method's own keyword arguments.

    Raises:
        DeviceError: the device is not there.
        ValueError: no such method, a model for a method that has none, or a wrong option's value.

    Example:
        >>> load_method("dp-semcon")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: no method named 'dp-semcon' (did you mean 'dp-semcom'?); available: ...
    """
    method: Any = METHODS[name]
    target = None if device is None else choose_device(device)  # before anything is loaded
    if model is not None and "model" not in inspect.signature(method).parameters:
        raise ValueError(f"method {name!r} uses no model, got {model!r}; leave it out")
    built = method(**options) if model is None else method(model, **options)
    return built if target is None else built.to(target)
