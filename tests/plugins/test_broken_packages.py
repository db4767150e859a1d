# SPDX-License-Identifier: Apache-2.0
"""A package that is broken costs one line that names it; nothing else of the program notices."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from plugins.conftest import describe

import semveil
from semveil.attacks import ATTACKS
from semveil.channels import CHANNELS
from semveil.core.plugins import PluginError, PluginWarning
from semveil.core.registry import Registry
from semveil.methods.registry import METHODS, image_methods

SRC = Path(__file__).resolve().parents[2] / "src"
BROKEN = {
    "semveil.channels": {"gone": "no_such_module:Channel"},
    "semveil.attacks": {"halved": "semveil_half:Attack"},
    "semveil.methods": {"half": "semveil_half:Method"},
}

GREY = """
from typing import Annotated
import torch
from semveil.methods.options import Option
from semveil.methods.release import Release
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.guarantee import Guarantee

class Grey:
    name, hides, leaves = "grey", "the face", "nothing"

    def __init__(self, *, level: Annotated[float, Option("Brightness.")] = 0.0):
        self.size, self.model_digest, self.level = 16, None, level

    def protect(self, images, *, rng=None):
        return Release(torch.full_like(images, self.level), None, Guarantee.none("the crop", reason="a test"))

    def to(self, device=None, dtype=None):
        return self

    def certificate(self, release):
        return Certificate(
            release=ReleaseKind.IMAGE, method="grey", protection="grey", guarantee=release.guarantee,
            images=len(release),
        )
"""


@pytest.fixture
def broken(site: Path) -> Path:
    describe(site, "acme-broken", BROKEN)
    (site / "semveil_half.py").write_text("class Attack: name = 'halved'\n\nclass Method: name = 'other'\n")
    return site


@pytest.mark.usefixtures("broken")
def test_asking_for_it_names_the_package_and_others_go_on() -> None:
    with pytest.raises(
        PluginError, match=r"channel 'gone' of package acme-broken 1\.0 cannot be used: ModuleNotFoundError"
    ):
        CHANNELS["gone"]
    assert CHANNELS["awgn"].equaliser == "zf"
    with pytest.raises(PluginError, match="Attack lacks knowledge, needs"):
        ATTACKS["halved"]
    with pytest.raises(PluginError, match="Method lacks protect"):
        METHODS["half"]


@pytest.mark.usefixtures("broken")
def test_lists_of_all_leave_it_out_with_a_warning() -> None:
    with pytest.warns(PluginWarning, match=r"attack 'halved' of package acme-broken 1\.0"):
        assert "halved" not in dict(ATTACKS.items()) and "halved" in ATTACKS
    with pytest.warns(PluginWarning, match="method 'half'"):
        assert "blur" in image_methods()


def test_a_method_may_set_its_size_in_its_constructor(site: Path) -> None:
    describe(site, "acme-grey", {"semveil.methods": {"grey": "semveil_grey:Grey"}})
    (site / "semveil_grey.py").write_text(GREY)
    made = semveil.protect(torch.zeros(2, 3, 16, 16), method="grey", level=0.25)
    assert made.images.unique().tolist() == [0.25]
    assert [certificate.method for certificate in made.certificates] == ["grey", "grey"]


def test_a_name_that_is_taken_stays_the_programs(site: Path) -> None:
    describe(site, "acme-taken", {"semveil.colours": {"red": "os:sep", "green": "os:sep"}})
    colours: Registry[str] = Registry("colour", group="semveil.colours")
    colours.add("red", "mine")
    with pytest.warns(
        PluginWarning, match=r"package acme-taken 1\.0 adds a colour named 'red', which is taken"
    ):
        assert list(colours) == ["red", "green"]
    assert (colours["red"], colours["green"]) == ("mine", os.sep)


def test_what_is_derived_from_another_registry() -> None:
    first: Registry[str] = Registry("first")
    second: Registry[str] = Registry("second")
    second.add("a", "own")
    second.derive(lambda: first, lambda name: first[name].upper())
    first.add("a", "x")
    first.add("b", "y")
    assert (list(second), second["a"], second["b"], len(second)) == (["a", "b"], "own", "Y", 2)
    with pytest.raises(ValueError, match="no second named 'c'; available: a, b"):
        second["c"]


def test_the_command_line_says_it_in_one_line(broken: Path, tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, (SRC, broken))),
            "OMP_NUM_THREADS": "1",
        }
        return subprocess.run(
            [sys.executable, "-m", "semveil", *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )

    listed = run("protect", "--methods")
    assert listed.returncode == 0 and "identity-dp" in listed.stdout
    assert listed.stderr.splitlines() == [
        "semveil: note: method 'half' of package acme-broken 1.0 cannot be used: Method lacks "
        "protect, to, certificate; update or uninstall it"
    ]
    assert run("--version").stderr == ""  # what needs none of it does not look


def test_finding_packages_imports_none_of_them(broken: Path) -> None:
    (broken / "semveil_half.py").write_text("raise SystemExit('imported')\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "halved" in list(ATTACKS)
