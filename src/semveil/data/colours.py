# SPDX-License-Identifier: Apache-2.0
"""Conversion of Pillow images to 8-bit sRGB: bit depths, colour profiles, CMYK and transparency."""

import io

import numpy as np
from PIL import Image, ImageChops, ImageCms

from semveil.core.errors import PhotoError

_DEEP_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_GREY_MODES = ("1", "L", "LA", "La")
_COLOUR_MODES = ("P", "PA", "RGB", "RGBX", "RGBA", "RGBa", "YCbCr", "CMYK")
_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262
_SCREEN = 2.2
_GAMMAS = (0.1, 5.0)  # plausible values
_SAME_GAMMA = 0.05  # relative tolerance, since 1/2.2 is rounded in many ways
_BAND = 1 << 20  # pixels of deep greys scaled at once


def to_srgb(image: Image.Image, name: str) -> tuple[Image.Image, list[str]]:
    """Convert a decoded image of any mode to RGB as displayed on a screen.

    Deep greys are scaled to 8 bits (Pillow would clip them; 32-bit integers within 0 to 255 are taken as
    8-bit greys). A valid embedded colour profile is applied, otherwise a PNG's gamma. Transparent areas
    become white.

    Args:
        image: decoded image; its `info` may hold `icc_profile`, `gamma`, `srgb` and `transparency`. It may be
            modified.
        name: file name, for errors.

    Returns:
        The image in mode RGB, and descriptions of the conversions.

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
    """Return the image in a mode; unchanged if it already has it, since copying a large one is expensive."""
    return image if image.mode == mode else image.convert(mode)


def _without_alpha(image: Image.Image) -> Image.Image:
    """Return grey, CMYK or RGB without alpha; premultiplied values are divided by alpha first."""
    if image.mode in _GREY_MODES:
        return _as(image.convert("LA") if image.mode == "La" else image, "L")
    if image.mode == "CMYK":
        return image
    return _as(image.convert("RGBA") if image.mode == "RGBa" else image, "RGB")


def _exponent(image: Image.Image) -> float:
    """Exponent that converts levels to a screen's, from a PNG's gamma; 1 for sRGB or if none is stated.

    A screen's exponent is 2.2 (PNG specification, 13.13); implausible values are ignored.
    """
    gamma = image.info.get("gamma")
    if not isinstance(gamma, float) or "srgb" in image.info or not _GAMMAS[0] <= gamma <= _GAMMAS[1]:
        return 1.0
    exponent = 1 / (_SCREEN * gamma)
    return 1.0 if abs(exponent - 1) < _SAME_GAMMA else exponent


def _opacity(image: Image.Image) -> Image.Image | None:
    """Return the alpha channel, also for a transparent colour or palette entry; None if there is none."""
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        return image.getchannel("A" if image.mode in ("LA", "PA", "RGBA") else "a")
    key = image.info.get("transparency")
    if key is None:
        return None
    if image.mode in _DEEP_MODES:
        return Image.fromarray(np.where(np.asarray(image) == key, 0, 255).astype(np.uint8))
    return image.convert("RGBA").getchannel("A") if image.mode in ("1", "L", "P", "RGB") else None


def _full_scale(image: Image.Image) -> float:
    """Value of white: 1 for floats; for integers, the maximum for their bits, at most 16 as in deep photos.

    A TIFF of 32-bit integers does not state how many bits are used. If all values are within 0..255 they are
    taken as 8-bit greys stored as integers, which would all be black on a 16-bit scale.
    """
    if image.mode == "F":
        return 1.0
    bits = getattr(image, "tag_v2", {}).get(_TIFF_BITS, (16,))[0]
    if bits == 32:
        low, high = np.ravel(image.getextrema()).tolist()
        bits = 8 if low >= 0 and high <= 255 else 16
    return 2.0 ** min(16, bits) - 1


def _eight_bits(image: Image.Image, name: str, full: float, exponent: float) -> Image.Image:
    """Convert deep greys to 8 bits: scale the full range to 255, raise to the exponent, round."""
    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(_TIFF_PHOTOMETRIC) == 0  # white is zero; Pillow inverts only 8 bits
    grey = np.empty((image.height, image.width), np.uint8)
    low, high = np.inf, -np.inf
    step = max(1, _BAND // image.width)
    for top in range(0, image.height, step):  # in bands: doubles take 8 times the memory
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
    """Convert from an embedded profile to sRGB; colours that are sRGB up to rounding are unchanged."""
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
    assert converted is not None  # only an in-place transform returns None
    return converted, f"colours were converted from the profile {description!r} to sRGB"


def _lattice() -> Image.Image:
    """Small image of 9 x 9 x 9 colours that cover the RGB cube."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(27, 27, 3))
