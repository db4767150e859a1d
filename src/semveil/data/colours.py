"""Any Pillow picture as 8-bit sRGB: bit depths, colour profiles, inks and transparency."""

import io

import numpy as np
from PIL import Image, ImageCms

from semveil.core.errors import PhotoError

_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "YCbCr", "CMYK")
_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262


def to_srgb(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """Convert a decoded picture of any mode to RGB as a screen would show it.

    Deep greys are scaled to 8 bits (Pillow would clip them), an embedded colour profile is applied where it is valid, and
    what is transparent is laid on white.

    Args:
        image: decoded; its `info` may hold `icc_profile` and `transparency`.
        name: the file's, for errors.

    Returns:
        The picture in mode RGB, and in words what else than a plain copy was done.

    Raises:
        PhotoError: the mode or the range of values is unsupported.

    Example:
        >>> picture, notes = to_srgb(Image.new("RGBA", (1, 1), (0, 0, 0, 0)), "empty.png")
        >>> picture.getpixel((0, 0)), notes
        ((255, 255, 255), ['transparent areas lie on white'])
    """
    notes = []
    alpha = _opacity(image)
    if image.mode in _DEEP_MODES:
        image = _eight_bits(image, name)
        notes.append("deep greys were scaled to 8 bits")
    elif image.mode not in _GREY_MODES + _COLOUR_MODES:
        raise PhotoError(f"{name!r} holds {image.mode} colours, which are not supported; save it as RGB")
    profile = image.info.get("icc_profile")
    if image.mode in _GREY_MODES:
        colours = image.convert("LA").convert("L") if image.mode == "La" else image.convert("L")
    elif image.mode == "CMYK":
        colours = image
    else:
        colours = image.convert("RGBA").convert("RGB") if image.mode == "RGBa" else image.convert("RGB")
    if profile:
        colours, note = _apply_profile(colours, profile)
        notes += [note] if note else []
    colours = colours.convert("RGB")
    if alpha is not None and alpha.getextrema()[0] != 255:
        colours = Image.composite(colours, Image.new("RGB", colours.size, "white"), alpha)
        notes.append("transparent areas lie on white")
    return colours, notes


def _opacity(image: Image.Image) -> Image.Image | None:
    """The alpha channel, also where a colour or palette entry is declared transparent; None where all is opaque."""
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        return image.getchannel("A" if image.mode in ("LA", "PA", "RGBA") else "a")
    key = image.info.get("transparency")
    if key is None:
        return None
    if image.mode in _DEEP_MODES:
        return Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8))
    return image.convert("RGBA").getchannel("A") if image.mode in ("1", "L", "P", "RGB") else None


def _eight_bits(image: Image.Image, name: str) -> Image.Image:
    """Greys of more than 8 bits, scaled so that their full scale becomes 255, rounded."""
    values = np.asarray(image).astype(np.float64)
    tags = getattr(image, "tag_v2", {})
    full = 1.0 if image.mode == "F" else 2.0 ** min(16, tags.get(_TIFF_BITS, (16,))[0]) - 1
    low, high = values.min(), values.max()
    if not (np.isfinite(values).all() and low >= 0 and high <= full):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise PhotoError(f"{name!r} holds {kind} values from {low:g} to {high:g}, not 0 to {full:g}; save it with 8 bits")
    if tags.get(_TIFF_PHOTOMETRIC) == 0:  # white is zero; Pillow inverts that for 8 bits only
        values = full - values
    grey = Image.fromarray(np.rint(values * (255 / full)).astype(np.uint8))
    if profile := image.info.get("icc_profile"):
        grey.info["icc_profile"] = profile
    return grey


def _apply_profile(colours: Image.Image, profile: bytes) -> tuple[Image.Image, str]:
    """Convert from an embedded profile to sRGB; what is sRGB already up to rounding stays bit for bit."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            colours.mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        if colours.mode != "CMYK":
            probe = _lattice().convert(colours.mode)
            change = np.asarray(ImageCms.applyTransform(probe, transform)).astype(int) - np.asarray(probe.convert("RGB"))
            if np.abs(change).max() <= 2:
                return colours, ""
        converted = ImageCms.applyTransform(colours, transform)
        description = ImageCms.getProfileDescription(source).strip()
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return colours, "its colour profile does not fit or is damaged, and was ignored"
    assert converted is not None  # only an in-place transform gives None
    return converted, f"colours were converted from the profile {description!r} to sRGB"


def _lattice() -> Image.Image:
    """A small picture of 9 x 9 x 9 colours all over the RGB cube."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3))
