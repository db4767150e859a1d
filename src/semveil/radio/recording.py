# SPDX-License-Identifier: Apache-2.0
"""Recordings in SigMF: complex samples with JSON metadata."""

import io
import json
import math
import os
import tarfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semveil.core.errors import SemveilError
from semveil.core.files import write_whole

Complex = NDArray[np.complex128]
FORMATS = ("cf32", "ci16")
SUFFIXES = (".sigmf", ".sigmf-meta", ".sigmf-data")
SYMBOL_RATE = "semveil:symbol_rate"
PEAK = 0.5  # of full scale, so that receive filters do not overflow
MOST_SAMPLES = 1 << 27
CLIPPED_SHARE = 1e-3  # largest fraction of samples at the maximum value


class RecordingError(SemveilError):
    """A recording cannot be read or written, or contains no message."""

    exit_code = 6


@dataclass(frozen=True, eq=False)
class Recording:
    """Samples of a recording with their rates.

    Attributes:
        samples: (M,) complex; full scale is 1.
        sample_rate: in Hz.
        symbol_rate: in Hz; None if not stated.
    """

    samples: Complex
    sample_rate: float
    symbol_rate: float | None


def write_recording(
    path: str | os.PathLike[str],
    samples: Complex,
    *,
    sample_rate: float,
    symbol_rate: float,
    frequency: float,
    description: str,
    datatype: str = "cf32",
) -> list[Path]:
    """Write a SigMF archive (`.sigmf`), or a pair of files (`.sigmf-meta` and `.sigmf-data`).

    Args:
        path: its ending selects archive or pair; either ending of a pair names both files.
        samples: (M,) complex; scaled to half of full scale.
        sample_rate: in Hz, at least the symbol rate.
        symbol_rate: in Hz.
        frequency: carrier frequency in Hz.
        description: human-readable description.
        datatype: `cf32` (two float32) or `ci16` (two int16), little-endian.

    Returns:
        The written files.

    Raises:
        RecordingError: another ending or format, rates that are not positive and finite, or the package
            `sigmf` is missing.
    """
    target = _checked_path(path)
    if datatype not in FORMATS:
        raise RecordingError(f"no sample format named {datatype!r}; use one of {', '.join(FORMATS)}")
    if not (0 < symbol_rate <= sample_rate < math.inf) or not math.isfinite(frequency):
        raise RecordingError(
            f"rates must be positive and finite, got {sample_rate:g} samples and {symbol_rate:g} symbols a "
            "second"
        )
    scaled = samples * (PEAK / max(float(np.abs(np.stack([samples.real, samples.imag])).max()), 1e-30))
    pairs = np.stack([scaled.real, scaled.imag], 1)
    data = (pairs.astype("<f4") if datatype == "cf32" else np.rint(pairs * 32767).astype("<i2")).tobytes()
    metadata = {
        "global": {
            "core:datatype": f"{datatype}_le",
            "core:version": require_sigmf().__specification__,
            "core:sample_rate": sample_rate,
            "core:description": description,
            "core:recorder": "semveil",
            "core:extensions": [{"name": "semveil", "version": "1.0.0", "optional": True}],
            SYMBOL_RATE: symbol_rate,
        },
        "captures": [{"core:sample_start": 0, "core:frequency": frequency}],
        "annotations": [
            {"core:sample_start": 0, "core:sample_count": len(samples), "core:label": "semveil burst"}
        ],
    }
    _validated(metadata)
    text = (json.dumps(metadata, indent=2, sort_keys=True) + "\n").encode()
    if target.suffix == ".sigmf":
        write_whole(target, _archive(target.stem, {".sigmf-meta": text, ".sigmf-data": data}))
        return [target]
    pair = [target.with_suffix(suffix) for suffix in (".sigmf-data", ".sigmf-meta")]
    for file, content in zip(pair, (data, text), strict=True):
        write_whole(file, content)
    return pair


def read_recording(path: str | os.PathLike[str]) -> Recording:
    """Read a SigMF archive or pair with one channel of complex samples, in any SigMF number format.

    Args:
        path: the archive, or either file of the pair.

    Raises:
        RecordingError: the recording is missing, damaged, clipped, silent, not one complex channel, longer
            than `MOST_SAMPLES`, or states an invalid sample rate or symbol rate.
    """
    target, sigmf = _checked_path(path), require_sigmf()
    name = repr(os.fsdecode(target))
    try:
        text, size = _of_archive(target, name) if target.suffix == ".sigmf" else _of_pair(target)
        if size == 0:
            raise RecordingError(f"{name} holds no samples: its .sigmf-data file is empty")
        general = _global_fields(text, name)
        rate = _rate(general, "core:sample_rate", name)
        if rate is None:
            raise RecordingError(f"{name} states no sample rate; add core:sample_rate to its metadata")
        symbol_rate = _rate(general, SYMBOL_RATE, name)
        # warnings about inconsistent annotations and lengths, and about numbers of another format; the
        # receiver's own errors are clearer
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            handle = sigmf.sigmffile.fromfile(str(target))
            count = handle.sample_count
            if not 0 < count <= MOST_SAMPLES:
                raise RecordingError(f"{name} holds {count:,} samples; 1 to {MOST_SAMPLES:,} are read")
            samples = np.asarray(handle.read_samples()).reshape(-1).astype(np.complex128)
    except RecordingError:
        raise
    except FileNotFoundError as error:
        raise RecordingError(f"cannot read the recording {name}: {error.filename!r} is missing") from None
    except Exception as error:  # the library passes on any exception of its parsers
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise RecordingError(f"cannot read the recording {name}: {reason}") from None
    if not np.isfinite(samples).all():
        raise RecordingError(
            f"{name} holds samples that are not finite; is core:datatype, {general['core:datatype']!r}, "
            "their format?"
        )
    _check_samples(samples, name)
    return Recording(samples, rate, symbol_rate)


def _of_pair(path: Path) -> tuple[bytes, int]:
    """Metadata of a pair, and the size of its data in bytes."""
    return path.with_suffix(".sigmf-meta").read_bytes(), path.with_suffix(".sigmf-data").stat().st_size


def _of_archive(path: Path, name: str) -> tuple[bytes, int]:
    """Metadata of an archive, and the size of its data in bytes.

    Refuses what the library reports in tar's words, or reads for minutes as a compressed archive.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            files = {Path(entry.name).suffix: entry for entry in tar if entry.isfile()}
            if not {".sigmf-meta", ".sigmf-data"} <= files.keys():
                raise RecordingError(
                    f"{name} is no SigMF archive: it lacks a .sigmf-meta or a .sigmf-data file"
                )
            metadata = tar.extractfile(files[".sigmf-meta"])
            assert metadata is not None  # it is a regular file
            return metadata.read(), files[".sigmf-data"].size
    except tarfile.TarError:
        raise RecordingError(f"{name} is no SigMF archive, or it is cut off or compressed") from None


def _global_fields(metadata: bytes, name: str) -> dict[str, Any]:
    """Global fields of the metadata, which must describe one channel of complex samples."""
    try:
        general = json.loads(metadata)["global"]
        datatype, channels = general["core:datatype"], general.get("core:num_channels", 1)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise RecordingError(
            f"the metadata of {name} is not SigMF's: JSON with core:datatype in an object 'global'"
        ) from None
    if not str(datatype).startswith("c") or channels != 1:
        raise RecordingError(
            f"{name} holds no single channel of complex samples: its metadata states core:datatype "
            f"{str(datatype)[:20]!r} and core:num_channels {str(channels)[:20]}"
        )
    return dict(general)


def _rate(general: dict[str, Any], field: str, name: str) -> float | None:
    """A rate in Hz; None if the metadata does not state it."""
    stated = general.get(field)
    if stated is None:
        return None
    try:
        rate = float(stated)
    except (ValueError, TypeError, OverflowError):
        rate = math.nan
    if not 0 < rate < math.inf:
        raise RecordingError(f"{name} states {str(stated)[:40]!r} as {field}; a number > 0 in Hz is needed")
    return rate


def _check_samples(samples: Complex, name: str) -> None:
    parts = np.abs(np.stack([samples.real, samples.imag]))
    most = float(parts.max())
    if most == 0:
        raise RecordingError(f"{name} is silent")
    share = float((parts >= most * (1 - 1e-6)).any(0).mean())
    if share > CLIPPED_SHARE and len(samples) > 10 / CLIPPED_SHARE:
        raise RecordingError(
            f"{name} is clipped: {share:.1%} of its samples are at full scale; record it with less gain"
        )


def _checked_path(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise RecordingError(f"a recording's name must end in {', '.join(SUFFIXES)}, got {str(target)!r}")
    return target


def _archive(stem: str, parts: dict[str, bytes]) -> bytes:
    """Tar archive with one folder, without metadata about its creator or time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo(stem)
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(folder)
        for suffix, content in parts.items():
            entry = tarfile.TarInfo(f"{stem}/{stem}{suffix}")
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _validated(metadata: dict[str, Any]) -> None:
    from sigmf.validate import validate

    validate(metadata)


def require_sigmf() -> Any:
    """Import the package `sigmf`.

    Raises:
        RecordingError: it is not installed.
    """
    try:
        import sigmf
    except ImportError:
        raise RecordingError("recordings need the package sigmf: pip install 'semveil[iq]'") from None
    return sigmf
