# SPDX-License-Identifier: Apache-2.0
"""Settings come from defaults, a TOML file and overrides; nothing unknown or mistyped passes."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from semveil.core.config import ConfigError, as_json, read_config


@dataclass(frozen=True)
class Network:
    size: int = 64
    widths: tuple[int, ...] = (1, 2)
    fast: bool = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be positive, got {self.size}")
        if self.size < len(self.widths):
            raise ValueError(f"{len(self.widths)} widths do not fit into size {self.size}")


@dataclass(frozen=True)
class Run:
    steps: int = 10
    rate: float = 0.5
    name: str = "a"
    network: Network = field(default_factory=Network)


def test_file_and_overrides_apply_in_order(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("steps = 20\nrate = 2\n[network]\nsize = 32\nwidths = [4, 5, 6]\n")
    run = read_config(Run, path, ["steps=30", "network.fast=true", "name=b c"])
    assert run == Run(30, 2.0, "b c", Network(32, (4, 5, 6), True))
    assert isinstance(run.rate, float)
    assert json.loads(as_json(run))["network"] == {"size": 32, "widths": [4, 5, 6], "fast": True}


def test_overrides_that_fit_only_together_are_applied_together() -> None:
    assert read_config(Run, overrides=["network.size=1", "network.widths=[7]"]).network == Network(1, (7,))
    with pytest.raises(ConfigError, match="2 widths do not fit into size 1"):
        read_config(Run, overrides=["network.size=1"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("stepps=1", "did you mean 'steps'"),
        ("network.siz=1", "no setting named 'network.siz' (did you mean 'size'?)"),
        ("steps=1.5", "must be of type int, got 1.5"),
        ("steps=true", "must be of type int, got True"),
        ("rate=fast", "must be of type float, got 'fast'"),
        ("network=3", "table of settings"),
        ("network.widths=3", "must be a list"),
        ("network.size=0", "size must be positive, got 0"),
        ("steps", "cannot read the override"),
    ],
)
def test_bad_overrides_say_what_is_wrong(override: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_config(Run, overrides=[override])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"), [(b"steps = ", "is no TOML"), (b"\xff", "is no TOML"), (None, "cannot read")]
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "run.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words):
        read_config(Run, path)
