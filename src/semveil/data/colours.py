# SPDX-License-Identifier: Apache-2.0
"""Any Pillow picture as 8-bit sRGB: bit depths, colour profiles, inks and transparency."""

import io

import numpy as np
from PIL import Image, ImageChops, ImageCms

from semveil.core.errors import PhotoError

_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "YCbCr", "CMYK")
_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_SCREEN = 2.2
_GAMMAS = (0.1, 5.0)  # what files can mean
_SAME_GAMMA = 0.05  # relative; 1/2.2 is written in many roundings
_BAND = 1 << 20  # pixels of deep greys that are scaled at once


def to_srgb(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """Convert a decoded picture of any mode to RGB as a screen would show it.

    Deep greys are scaled to 8 bits (Pillow would clip them; 32-bit integers of 0 to 255 are taken as 8-bit
    greys already), an embedded colour profile is applied where it is valid, or else the gamma that a PNG
    states, and what is transparent is laid on white.

    Args:
        image: decoded; its `info` may hold `icc_profile`, `gamma`, `srgb` and `transparency`. It may be
            changed.
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
    profile, exponent = image.info.get("icc_profile"), _exponent(image)
    if image.mode in _DEEP_MODES:
        full = _full_scale(image)
        image = _eight_bits(image, name, full, exponent if not profile else 1.0)
        notes.append(
            "deep greys were scaled to 8 bits"
            if full != 255
            else "32-bit greys of 0 to 255 were taken as 8 bits"
        )
        applied = True
    elif image.mode in _GREY_MODES + _COLOUR_MODES:
        applied = False
    else:
        raise PhotoError(f"{name!r} holds {image.mode} colours, which are not supported; save it as RGB")
    colours = _without_alpha(image)
    if profile:
        colours, note = _apply_profile(colours, profile)
        notes += [note] if note else []
    elif exponent != 1:
        table = [round(255 * (level / 255) ** exponent) for level in range(256)]
        colours = colours if applied else colours.point(table * len(colours.getbands()))
        notes.append("colours were converted from the gamma that the file states")
    colours = _as(colours, "RGB")
    if alpha is not None and alpha.getextrema()[0] != 255:
        colours = colours.copy() if colours is image else colours
        colours.paste((255, 255, 255), mask=ImageChops.invert(alpha))
        notes.append("transparent areas lie on white")
    return colours, notes


def _as(image: Image.Image, mode: str) -> Image.Image:
    """The picture in a mode; itself where it has that already, since a copy of a large one is dear."""
    return image if image.mode == mode else image.convert(mode)


def _without_alpha(image: Image.Image) -> Image.Image:
    """Grey, inks or RGB; what alpha is multiplied into, is divided by it first."""
    if image.mode in _GREY_MODES:
        return _as(image.convert("LA") if image.mode == "La" else image, "L")
    if image.mode == "CMYK":
        return image
    return _as(image.convert("RGBA") if image.mode == "RGBa" else image, "RGB")


def _exponent(image: Image.Image) -> float:
    """What levels must be raised to for a screen, by the gamma that a PNG states; 1 where it says sRGB or nothing.

    A screen's exponent is 2.2 (PNG specification, 13.13); values without sense are ignored.
    """
    gamma = image.info.get("gamma")
    if not isinstance(gamma, float) or "srgb" in image.info or not _GAMMAS[0] <= gamma <= _GAMMAS[1]:
        return 1.0
    exponent = 1 / (_SCREEN * gamma)
    return 1.0 if abs(exponent - 1) < _SAME_GAMMA else exponent


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


def _full_scale(image: Image.Image) -> float:
    """The value that is white: 1 of floats; of integers what their bits hold, at most 16, since that is how deep photos are.

    A TIFF of 32-bit integers does not say how many bits of them are used. Where no value is beyond 0..255
    they are 8-bit greys that a program kept as integers: on a scale of 16 bits every one of them would be
    black.
    """
    if image.mode == "F":
        return 1.0
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS, (16,))[0]
    if bits == 32:
        low, high = np.ravel(image.getextrema()).tolist()
        bits = 8 if low >= 0 and high <= 255 else 16
    return 2.0 ** min(16, bits) - 1


def _eight_bits(image: Image.Image, name: str, full: float, exponent: float) -> Image.Image:
    """Greys of more than 8 bits, scaled so that their full scale becomes 255, raised to the exponent, rounded."""
    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(_TIFF_PHOTOMETRIC) == 0  # white is zero; Pillow inverts that for 8 bits only
    grey = np.empty((image.height, image.width), np.uint8)
    low, high = np.inf, -np.inf
    step = max(1, _BAND // image.width)
    for top in range(0, image.height, step):  # the whole in double precision would be eight times as large
        band = slice(top, min(image.height, top + step))
        values = np.asarray(image.crop((0, band.start, image.width, band.stop))).astype(np.float64)
        if not np.isfinite(values).all():
            low, high = np.nan, np.nan
            break
        low, high = min(low, values.min()), max(high, values.max())
        share = (full - values if inverted else values) / full
        grey[band] = np.rint(share.clip(0, 1) ** exponent * 255)
    if not (low >= 0 and high <= full):
        kind = "floating-point" if image.mode == "F" else "32-bit or signed"
        raise PhotoError(
            f"{name!r} holds {kind} values from {low:g} to {high:g}, not 0 to {full:g}; save it with 8 bits"
        )
    picture = Image.fromarray(grey)
    if profile := image.info.get("icc_profile"):
        picture.info["icc_profile"] = profile
    return picture


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
            change = np.asarray(ImageCms.applyTransform(probe, transform)).astype(int) - np.asarray(
                probe.convert("RGB")
            )
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
