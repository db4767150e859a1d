# SPDX-License-Identifier: Apache-2.0
"""Methods are imported when they are asked for, and are what their entry says."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_overloads

import pytest

from semveil.channels.wiretap import snrs
from semveil.core.errors import PhotoError
from semveil.core.registry import Registry
from semveil.data.dataset import FaceDataset
from semveil.methods.registry import METHODS, image_method_names, image_methods, load_method

SRC = Path(__file__).resolve().parents[2] / "src"


def loaded_by(code: str) -> set[str]:
    """Modules that a fresh interpreter has after some code."""
    code += "\nimport sys; print(*sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=True
    )
    return set(done.stdout.split("\n")[-2].split())


def test_entries_are_named_as_their_classes() -> None:
    assert [METHODS[name].name for name in METHODS] == list(METHODS)
    assert (
        image_method_names()
        == [name for name in METHODS if hasattr(METHODS[name], "protect")]
        == list(image_methods())
    )


def test_each_name_of_the_package_has_its_class_for_type_checkers() -> None:
    own = {name for name in METHODS if METHODS[name].__module__.startswith("semveil.methods.")}
    typed = [(get_args(one.__annotations__["name"]), one.__annotations__["return"])
             for one in get_overloads(load_method)]  # fmt: skip
    assert {name: made for (name,), made in typed[:-1]} == {name: METHODS[name].__name__ for name in own}
    assert typed[-1] == ((), Any)  # any other text: a method of another package


@pytest.mark.slow
def test_mypy_infers_the_class_of_a_loaded_method(tmp_path: Path) -> None:
    api = pytest.importorskip("mypy.api")
    program = tmp_path / "program.py"
    program.write_text(
        "from typing import assert_type\n"
        "import torch, semveil\n"
        "from semveil.methods.dp_image import DPImage\n"
        "from semveil.methods.release import Release\n"
        "method = semveil.load_method('dp-image')\n"
        "assert_type(method, DPImage)\n"
        "assert_type(method.protect(torch.zeros(1, 3, 64, 64)), Release)\n"
        "semveil.load_method('dp-semcom').protect\n",
        encoding="utf-8",
    )
    said, trouble, _ = api.run(["--config-file", str(SRC.parent / "pyproject.toml"), str(program)])
    errors = [line for line in said.splitlines() if ": error:" in line]
    assert len(errors) == 1 and '"DPSemCom" has no attribute "protect"' in errors[0], (said, trouble)


def test_a_method_loads_what_it_needs_and_no_other() -> None:
    mosaic = loaded_by("import semveil; semveil.load_method('mosaic')")
    assert "semveil.methods.baselines" in mosaic
    assert (
        not {"semveil.methods.dp_semcom", "semveil.methods.identity_dp", "dlib", "skimage", "scipy.optimize"}
        & mosaic
    )
    assert not {"dlib", "skimage", "scipy.optimize", "matplotlib"} & loaded_by("import semveil.link.receive")
    assert "dlib" in loaded_by("import dlib")  # the check sees what is loaded


def test_models_are_listed_without_torch() -> None:
    assert not {"torch", "numpy"} & loaded_by(
        "from semveil.cli.main import main; assert main(['models', 'list']) == 0"
    )


def test_what_is_registered_for_later_is_made_once() -> None:
    made: list[int] = []
    numbers: Registry[int] = Registry("number")
    numbers.add_later("one", lambda: made.append(1) or 1)
    assert list(numbers) == ["one"] and not made
    assert (numbers["one"], numbers["one"], made) == (1, 1, [1])
    with pytest.raises(ValueError, match="registered already"):
        numbers.add("one", 2)


def test_a_class_that_is_defined_again_replaces_its_old_version() -> None:
    """As in a notebook, where a cell that registers a class is run again."""
    laws: Registry[type] = Registry("law")

    def cell() -> type:
        class Law:
            pass

        return laws.add("law", Law)

    first, second = cell(), cell()
    assert laws["law"] is second is not first
    with pytest.raises(ValueError, match="registered already"):
        laws.add("law", int)


def test_unknown_names_of_recognition_fail_as_in_any_module() -> None:
    import semveil.recognition

    assert all(getattr(semveil.recognition, name) for name in semveil.recognition.__all__)
    with pytest.raises(AttributeError, match="no attribute 'DlibVerifer'"):
        _ = semveil.recognition.DlibVerifer


def test_mistakes_of_callers_name_the_fix(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"'blur' has no option 'sigm' \(did you mean 'sigma'\?\); it has"):
        load_method("blur", sigm=3.0)
    with pytest.raises(TypeError, match=r"must be a tensor, got str; read photos with semveil\.load"):
        load_method("blur").protect("photo.jpg")
    with pytest.raises(ValueError, match="got the text '20'"):
        snrs("20", 1)
    with pytest.raises(PhotoError, match="does not exist; name a folder"):
        FaceDataset(tmp_path / "none", size=64)
