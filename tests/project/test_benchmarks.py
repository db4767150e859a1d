# SPDX-License-Identifier: Apache-2.0
"""Benchmarks that pages cite run with the bundled models."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_bundled_generator_is_held_against_matrix_products() -> None:
    ran = subprocess.run(
        [sys.executable, ROOT / "benchmarks/ratios.py", "--only", "faces-128", "--repeats", "1", "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    (row,) = json.loads(ran.stdout)
    assert row["seconds"] > 0 and row["peer_seconds"] > 0
    page = (ROOT / "docs/speed.md").read_text(encoding="utf-8")
    assert f"| {row['what']} | " in page and f" | {row['peer']} | " in page
