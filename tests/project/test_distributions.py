# SPDX-License-Identifier: Apache-2.0
"""What a wheel and a source distribution hold, under which terms, and that building them again gives the same
bytes.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EPOCH = "1767225600"
RESEARCH = "LicenseRef-semveil-models"


def tracked() -> set[str]:
    """Files of the repository; of an unpacked source distribution there is no such list."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("needs the repository's list of files")
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()}


def build(folder: Path, out: Path, *, of: str = ".", without_models: bool = False) -> Path:
    code = "import sys; from setuptools import build_meta as b; print(b.build_wheel(sys.argv[1]))"
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": EPOCH,
        "SEMVEIL_WITHOUT_MODELS": "1" if without_models else "",
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, str(out)],
        cwd=folder / of, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return out / done.stdout.splitlines()[-1]


def copy(to: Path) -> Path:
    """What a build needs, with times of its own."""
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "NOTICE", "MANIFEST.in"):
        shutil.copy(ROOT / name, to / name)
    for name in ("src", "tools", "LICENSES", "packages"):
        shutil.copytree(
            ROOT / name,
            to / name,
            copy_function=shutil.copy,
            ignore=shutil.ignore_patterns("*.egg-info", "build"),
        )
    return to


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(tmp_path_factory.mktemp("tree"))


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(folder, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def code_alone(folder: Path, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built after the whole one in the same folder, whose `build` still holds the models."""
    return build(folder, tmp_path_factory.mktemp("code"), without_models=True)


@pytest.fixture(scope="module")
def models_alone(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(folder, tmp_path_factory.mktemp("models"), of="packages/semveil-models")


def test_the_whole_wheel_holds_every_file_of_the_package(whole: Path) -> None:
    package = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "semveil").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in names(whole) if ".dist-info/" not in name}
    assert held == package


def test_code_and_models_are_licensed_apart(whole: Path, code_alone: Path, models_alone: Path) -> None:
    expressions = [metadata(wheel)["License-Expression"] for wheel in (whole, code_alone, models_alone)]
    assert expressions == [f"Apache-2.0 AND {RESEARCH}", "Apache-2.0", RESEARCH]
    for wheel in (whole, code_alone):
        assert any(name.endswith("licenses/NOTICE") for name in names(wheel))
    for wheel in (whole, models_alone):
        assert any(name.endswith(f"{RESEARCH}.txt") for name in names(wheel))


def test_the_code_alone_holds_no_model(whole: Path, code_alone: Path, models_alone: Path) -> None:
    models = {name for name in names(whole) if name.startswith("semveil/weights/")}
    assert names(code_alone) & models == set() and not any(
        name.endswith(".safetensors") for name in names(code_alone)
    )
    assert {name for name in names(whole) if ".dist-info/" not in name} - models == {
        name for name in names(code_alone) if ".dist-info/" not in name
    }
    apart = {
        name.removeprefix("semveil_models/") for name in names(models_alone) if ".dist-info/" not in name
    }
    assert apart == {name.removeprefix("semveil/weights/") for name in models} and len(apart) > 20


@pytest.mark.slow
def test_the_code_alone_runs_with_the_models_beside_it_and_says_what_is_missing_without(
    code_alone: Path, models_alone: Path, tmp_path: Path
) -> None:
    code, models = tmp_path / "code", tmp_path / "models"
    zipfile.ZipFile(code_alone).extractall(code)
    zipfile.ZipFile(models_alone).extractall(models)
    asked = (
        "from semveil.core.model_folders import bundled_file, folders_with, FACE_CARD\n"
        "import semveil; print(semveil.__file__, *folders_with(FACE_CARD))\n"
        "try: semveil.load_model('faces-128'); bundled_file('face-parser', 'parser.json')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )

    def run(*path: Path) -> str:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, path)),
            "SEMVEIL_HOME": str(tmp_path / "home"),
        }
        done = subprocess.run(
            [sys.executable, "-c", asked], env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0 and str(code) in done.stdout, done.stdout + done.stderr
        return done.stdout

    assert "faces-128" in run(code, models) and "Error" not in run(code, models)
    assert "pip install semveil-models" in run(code)


def test_the_metadata_is_complete_and_names_nobody(whole: Path) -> None:
    about = metadata(whole)
    assert (
        about["Author"] == "The semveil developers"
        and about["Author-email"] is None
        and about["Project-URL"] is None
    )
    assert "Programming Language :: Python :: 3.14" in about.get_all("Classifier", [])
    assert not any(value.startswith("License ::") for value in about.get_all("Classifier", [])), (
        "the expression says it"
    )
    assert (
        "differential privacy" in about["Keywords"] and about["Description-Content-Type"] == "text/markdown"
    )


def test_building_it_again_elsewhere_gives_the_same_bytes(code_alone: Path, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    again = build(copy(tmp_path / "tree"), tmp_path, without_models=True)
    assert again.read_bytes() == code_alone.read_bytes()


def test_the_source_distribution_holds_the_repository(tmp_path: Path) -> None:
    known = tracked()
    for name in known:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()  # only names count here
    for name in ("setup.py", "pyproject.toml", "README.md", "MANIFEST.in", "tools/index_readme.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    code = "from setuptools import setup; import runpy; runpy.run_path('setup.py')"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import sys; sys.argv[1:] = ['-q', 'egg_info']; {code}"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    packed = set(
        (tmp_path / "src" / "semveil.egg-info" / "SOURCES.txt").read_text(encoding="utf-8").splitlines()
    )
    assert known - packed == set()
