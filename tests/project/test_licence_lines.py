# SPDX-License-Identifier: Apache-2.0
"""Every Python file says its licence in one line."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import spdx


def test_no_file_lacks_the_line() -> None:
    assert spdx.without_line() == [], "run: python tools/spdx.py"


def test_a_file_without_it_is_found_and_mended(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "tools").mkdir()
    (tmp_path / "setup.py").write_text("")
    path = tmp_path / "tools" / "x.py"
    path.write_text('#!/usr/bin/env python\n"""Words."""\n')
    monkeypatch.setattr(spdx, "ROOT", tmp_path)
    assert spdx.without_line() == [path]
    spdx.add_line(path)
    assert (
        path.read_text() == f'#!/usr/bin/env python\n{spdx.LINE}\n"""Words."""\n'
        and spdx.without_line() == []
    )
