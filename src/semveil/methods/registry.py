# SPDX-License-Identifier: Apache-2.0
"""Registry of the methods; each is imported on first use."""

import inspect
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, overload

from semveil.core.model_folders import ModelName
from semveil.core.registry import Registry, having, suggest, unknown_option
from semveil.methods.options import plain_numbers

if TYPE_CHECKING:
    import torch

    from semveil.methods.baselines import DPSVD, Blur, DPPix, Mosaic, PixelNoise
    from semveil.methods.dp_image import DPImage
    from semveil.methods.dp_semcom import DPSemCom
    from semveil.methods.identity_dp import IdentityDP
    from semveil.methods.latent_dp import LatentDP
    from semveil.methods.noise_image import NoiseImage
    from semveil.methods.release import ImageMethod

    Device = str | torch.device | None

# the photo remains useful, and its faces pass for other people
DEFAULT_IMAGE_METHOD = "identity-dp"
LINK = "dp-semcom"  # sends and receives; all others turn photos into protected images
_HOMES = {
    LINK: "dp_semcom.DPSemCom",
    "dp-image": "dp_image.DPImage",
    "latent-dp": "latent_dp.LatentDP",
    "identity-dp": "identity_dp.IdentityDP",
    "noise-image": "noise_image.NoiseImage",
    "blur": "baselines.Blur",
    "mosaic": "baselines.Mosaic",
    "pixel-noise": "baselines.PixelNoise",
    "dp-pix": "baselines.DPPix",
    "dp-svd": "baselines.DPSVD",
}


def _imported(home: str) -> Any:
    module, name = home.split(".")
    return getattr(import_module(f"semveil.methods.{module}"), name)


METHODS: Registry[type["DPSemCom"] | type["ImageMethod"]] = Registry(
    "method",
    group="semveil.methods",
    accept=having("name", "protect", "to", "certificate"),  # objects may set `size` and `model_digest`
)
for _name, _home in _HOMES.items():
    METHODS.add_later(_name, partial(_imported, _home))


def module_of(name: str) -> str:
    """Name of the module that defines a method.

    Args:
        name: name of the method.

    Example:
        >>> module_of("blur")
        'semveil.methods.baselines.blur'
    """
    return METHODS[name].__module__


def image_method_names() -> list[str]:
    """Names of the methods that turn photos into protected images, without importing them."""
    return [name for name in METHODS if name != LINK]


def check_image_method(name: str) -> None:
    """Refuse a name that is not an image method.

    Args:
        name: name of the method.

    Raises:
        ValueError: there is no such image method; the message lists those available.
    """
    known = image_method_names()
    if not isinstance(name, str):
        raise TypeError(f"a method is named by text, got {name!r}; available: {', '.join(known)}")
    if name not in known:
        raise ValueError(
            f"no method that protects pictures named {name!r}{suggest(name, known)}; available: "
            f"{', '.join(known)}"
        )


def image_methods() -> dict[str, type["ImageMethod"]]:
    """Image methods by name: those with a `protect`.

    Example:
        >>> "blur" in image_methods(), "dp-semcom" in image_methods()
        (True, False)
    """
    return {name: method for name, method in METHODS.items() if name != LINK}  # type: ignore[misc]


@overload
def load_method(
    name: Literal["dp-semcom"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "DPSemCom": ...
@overload
def load_method(
    name: Literal["dp-image"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "DPImage": ...
@overload
def load_method(
    name: Literal["latent-dp"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "LatentDP": ...
@overload
def load_method(
    name: Literal["identity-dp"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "IdentityDP": ...
@overload
def load_method(
    name: Literal["noise-image"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "NoiseImage": ...
@overload
def load_method(
    name: Literal["blur"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "Blur": ...
@overload
def load_method(
    name: Literal["mosaic"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "Mosaic": ...
@overload
def load_method(
    name: Literal["pixel-noise"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "PixelNoise": ...
@overload
def load_method(
    name: Literal["dp-pix"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "DPPix": ...
@overload
def load_method(
    name: Literal["dp-svd"], model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> "DPSVD": ...
@overload
def load_method(
    name: str, model: ModelName | None = None, *, device: "Device" = None, **options: Any
) -> Any: ...
def load_method(name: str, model: ModelName | None = None, *, device: "Device" = None, **options: Any) -> Any:
    """Build a method by name.

    Args:
        name: `dp-semcom`, whose object sends and receives, or one of `image_methods()`, whose objects
            `protect` images.
        model: name or folder of a model; the method's default where None.
        device: device of its networks, see `core.device.choose_device`; where they are loaded (the CPU) if
            None.
        options: the method's own keyword arguments.

    Returns:
        The method; type checkers know its class where the name is a literal of this package.

    Raises:
        DeviceError: the device is not available.
        ValueError: no such method, a model for a method that has none, or an invalid option.

    Example:
        >>> load_method("dp-semcon")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: no method named 'dp-semcon' (did you mean 'dp-semcom'?); available: ...
    """
    method: Any = METHODS[name]
    from semveil.core.device import choose_device  # imports torch, which naming methods must not

    target = None if device is None else choose_device(device)  # raises before anything is loaded
    known = inspect.signature(method).parameters
    if model is not None and "model" not in known:
        raise ValueError(f"method {name!r} uses no model, got {model!r}; leave it out")
    open_ended = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    for option in set() if open_ended else options.keys() - known.keys():
        own = [other for other in known if other != "model"]
        raise ValueError(unknown_option(f"method {name!r}", option, own, known))
    options = plain_numbers(options)
    built = method(**options) if model is None else method(model, **options)
    return built if target is None else built.to(target)
