# SPDX-License-Identifier: Apache-2.0
"""Third-party weight files: catalogue, location and download on request.

Files are stored under their official names in `$SEMVEIL_HOME` (by default the user's cache folder) or in its
subfolder `weights`.

"""

import http.client
import os
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import platformdirs

from semveil.core.errors import SemveilError
from semveil.core.files import sha256_of_file
from semveil.core.registry import Registry

BLOCK = 1 << 20


class WeightsMissing(SemveilError):
    """Required weights are not installed; the message says how to get them."""


class DownloadFailed(SemveilError):
    """A download was interrupted, or its content does not match the catalogue."""


@dataclass(frozen=True)
class WeightsFile:
    """File name of weights, with its SHA-256 (or the first digits) if known."""

    name: str
    sha256: str = ""


@dataclass(frozen=True)
class WeightsEntry:
    """Third-party weights.

    Attributes:
        name: name by which users select it.
        purpose: purpose of the weights, in words.
        files: the official file first, then alternative names.
        url: address of the official file; empty if there is no stable one.
        megabytes: size of the official file in 10^6 bytes, rounded; None where unknown.
        licence: terms stated by the source.
        source: the project that publishes the weights.
        needs: names of other entries that are required too.
    """

    name: str
    purpose: str
    files: tuple[WeightsFile, ...]
    url: str
    megabytes: float | None
    licence: str
    source: str
    needs: Sequence[str] = ()


CATALOGUE = Registry[WeightsEntry]("third-party weights")
for _name, _values in tomllib.loads(
    (files("semveil.core") / "weights.toml").read_text(encoding="utf-8")
).items():
    _files = tuple(WeightsFile(**file) for file in _values.pop("files"))
    CATALOGUE.add(
        _name, WeightsEntry(**{"name": _name, "url": "", "megabytes": None} | _values, files=_files)
    )


def home() -> Path:
    """Return the folder of weights and caches: `$SEMVEIL_HOME`, or the user's cache folder."""
    return Path(os.environ.get("SEMVEIL_HOME") or platformdirs.user_cache_dir("semveil"))


def find(name: str) -> Path | None:
    """Return the path of a catalogue entry's weight file; None if it is not installed.

    Args:
        name: of the entry.

    Raises:
        ValueError: an unknown entry.
    """
    folders = (home(), home() / "weights")
    candidates = (folder / file.name for file in CATALOGUE[name].files for folder in folders)
    return next((path for path in candidates if path.is_file()), None)


def require(name: str) -> Path:
    """Return the path of a catalogue entry's weight file, which must be installed.

    Args:
        name: of the entry.

    Raises:
        ValueError: an unknown entry.
        WeightsMissing: the file or one of its dependencies is not installed; the message says how to get it.
    """
    entry = CATALOGUE[name]
    lacking = [CATALOGUE[part] for part in (*entry.needs, name) if find(part) is None]
    path = find(name)
    if path is None or lacking:
        files = " and ".join(part.files[0].name for part in lacking)
        get_it = f"semveil models get {name}" if entry.url else f"take the file from {entry.source}"
        raise WeightsMissing(
            f"{files} missing in {home() / 'weights'} ({entry.purpose}); to get it: {get_it}"
        )
    return path


@dataclass(frozen=True)
class Verification:
    """Comparison of a file with the catalogue; `matches` is None if no hash is known."""

    path: Path
    sha256: str
    entry: WeightsEntry | None
    matches: bool | None


def verify(path: str | Path) -> Verification:
    """Hash a file and compare it with the catalogue entry of its name.

    Args:
        path: of the file.

    Returns:
        The comparison; its `entry` is None for a name that is not in the catalogue.

    Raises:
        OSError: the file cannot be read.
    """
    path = Path(path)
    digest = _sha256(path)
    for entry in map(CATALOGUE.__getitem__, CATALOGUE):
        for file in entry.files:
            if file.name == path.name:
                return Verification(
                    path, digest, entry, digest.startswith(file.sha256) if file.sha256 else None
                )
    return Verification(path, digest, None, None)


def get(
    name: str, *, progress: Callable[[str, int, int | None], None] = lambda file, done, total: None
) -> Path:
    """Download a catalogue entry and its dependencies into `home()/weights`, unless they are installed.

    An interrupted download is resumed; the file appears under its name only when it is complete and its hash
    is correct.

    Args:
        name: catalogue entry.
        progress: called with the file name, the bytes downloaded and the total size in bytes (None: unknown).

    Returns:
        Path of the installed file.

    Raises:
        WeightsMissing: the entry has no public address.
        DownloadFailed: the network failed, or the file's hash differs from the catalogue's.
    """
    entry = CATALOGUE[name]
    for part in entry.needs:
        get(part, progress=progress)
    path = find(name)
    if path is not None:
        return path
    if not entry.url:
        return require(name)
    target = home() / "weights" / entry.files[0].name
    part_file = target.with_name(target.name + ".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        _download(entry.url, part_file, lambda done, total: progress(target.name, done, total))
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise DownloadFailed(
            f"cannot download {entry.url}: {error}; run the command again to resume"
        ) from error
    digest = _sha256(part_file)
    if not digest.startswith(entry.files[0].sha256):
        part_file.unlink()
        raise DownloadFailed(
            f"{entry.url} gave SHA-256 {digest}, expected {entry.files[0].sha256}; nothing was kept"
        )
    os.replace(part_file, target)
    return target


def _download(url: str, part_file: Path, progress: Callable[[int, int | None], None]) -> None:
    done = part_file.stat().st_size if part_file.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:  # range not satisfiable: the file was already complete
            return
        raise
    with response:
        if response.status != 206:  # the server sends the whole file
            done = 0
        rest = response.headers.get("Content-Length")
        total = done + int(rest) if rest else None
        with part_file.open("ab" if done else "wb") as file:
            while block := response.read(BLOCK):
                file.write(block)
                done += len(block)
                progress(done, total)
    if total is not None and done != total:
        raise ConnectionError(f"it broke off after {done} of {total} bytes")


def _sha256(path: Path) -> str:
    return sha256_of_file(path).hex()
