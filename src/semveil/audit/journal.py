# SPDX-License-Identifier: Apache-2.0
"""Journal of findings during an audit, so that an interrupted audit can resume."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semveil.core.errors import OutputError


class Journal:
    """File of one JSON line for the settings and one for each finding; deleted when the audit finishes.

    Findings are reused only for the same settings, which include a digest of this package's sources: a
    finding about other code says nothing about this one. An incomplete last line, left by a killed process,
    is ignored.

    Args:
        path: of the file, created with the first finding.
        settings: of the audit, JSON-ready.

    Raises:
        OutputError: the file cannot be read.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path, self._settings = path, json.loads(json.dumps(settings))
        self._findings: dict[str, dict[str, Any]] = {}
        try:
            lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise OutputError(f"cannot read the unfinished audit {str(path)!r}: {error}") from error
        entries = [entry for line in lines if isinstance(entry := _parsed(line), dict)]
        self._continued = bool(entries) and entries[0].get("settings") == self._settings
        if self._continued:
            self._findings = {
                entry["game"]: entry["finding"]
                for entry in entries[1:]
                if {"game", "finding"} <= entry.keys()
            }

    def __len__(self) -> int:
        return len(self._findings)

    def get(self, game: str) -> dict[str, Any] | None:
        """Return the finding of a game that an interrupted audit already played; None for all others.

        Args:
            game: its name.
        """
        return self._findings.get(game)

    def add(self, game: str, finding: dict[str, Any]) -> None:
        """Append a finding to the journal.

        Args:
            game: its name.
            finding: JSON-ready, without NaN or infinite numbers.

        Raises:
            OutputError: the file cannot be written.
            ValueError: a number is NaN or infinite.
        """
        lines = [] if self._continued else [{"settings": self._settings}]
        text = "".join(
            json.dumps(line, allow_nan=False) + "\n" for line in [*lines, {"game": game, "finding": finding}]
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a" if self._continued else "w", encoding="utf-8") as file:
                file.write(("\n" if self._continued else "") + text)  # also after an incomplete line
        except OSError as error:
            raise OutputError(
                f"cannot write the unfinished audit {str(self.path)!r}: {error.strerror}"
            ) from error
        self._continued = True
        self._findings[game] = finding

    def finish(self) -> None:
        """Delete the file; the result is written."""
        self.path.unlink(missing_ok=True)


def sources_digest() -> str:
    """SHA-256 over this package's Python files, by name and content."""
    package = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for file in sorted(package.rglob("*.py")):
        digest.update(
            f"{file.relative_to(package).as_posix()}\n".encode() + hashlib.sha256(file.read_bytes()).digest()
        )
    return digest.hexdigest()


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
