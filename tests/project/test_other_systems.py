# SPDX-License-Identifier: Apache-2.0
"""Windows and macOS, as far as Linux can show them: without POSIX's modules and names, and without dlib."""

import subprocess
import sys
import textwrap

import pytest

# What Windows does not have. Third-party packages look for some of it themselves, so it goes only when they
# are loaded.
HIDE = """
    import importlib, importlib.abc, os, pkgutil, signal, sys
    import click, cryptography, filelock, matplotlib, platformdirs, rich, scipy.optimize, skimage.metrics
    import torch, torchmetrics, typer

    ABSENT = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "posix", "readline",
              "curses", "dlib"}

    class Absent(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] in ABSENT:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Absent())
    for name in ABSENT:
        sys.modules.pop(name, None)
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "O_CLOEXEC", "fork", "getuid", "geteuid",
                 "getgid", "mkfifo", "chown", "fchmod", "fchown", "killpg", "getpgid", "sched_getaffinity",
                 "uname", "statvfs", "register_at_fork"):
        if hasattr(os, name):
            delattr(os, name)
    for name in ("SIGHUP", "SIGPIPE", "SIGALRM", "SIGKILL", "SIGUSR1", "SIGQUIT"):
        if hasattr(signal, name):
            delattr(signal, name)
"""


def run(code: str, *, cwd: object = None) -> subprocess.CompletedProcess[str]:
    program = textwrap.dedent(HIDE) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=cwd
    )  # type: ignore[call-overload]


def test_every_module_is_imported_without_posix_and_dlib() -> None:
    done = run("""
        import traceback, semveil
        failed, names = {}, [found.name for found in pkgutil.walk_packages(semveil.__path__, "semveil.")]
        for name in names:
            if name.endswith("__main__"):
                continue
            try:
                importlib.import_module(name)
            except ImportError as error:
                frames = traceback.extract_tb(error.__traceback__)
                asking = [at.filename for at in frames if "<" not in at.filename]
                if error.name in {"gradio", "sigmf", "sionna"}:  # of extras that may be missing
                    continue
                if asking[-1].startswith(semveil.__path__[0]):  # not a package of an extra
                    failed[name] = str(error)
        print(len(names), failed)
        sys.exit(bool(failed))
    """)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.splitlines()[-1].split()[0]) > 300


def test_hiding_is_noticed() -> None:
    done = run("import fcntl")
    assert done.returncode == 1 and "No module named 'fcntl'" in done.stderr


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Keys, a message there and back, a certificate, the ledger: all that asks for no face in a photo."""
    return run(
        """
        os.environ["SEMVEIL_HOME"] = os.path.abspath("home")
        import numpy as np
        from PIL import Image
        from semveil.cli.main import main
        import semveil

        def verb(*words):
            code = main(list(words))
            assert code == 0, (words, code)

        verb("keygen", "--out", "k.key")
        model = semveil.load_model("faces-128")
        face = model.generator.synthesize(model.prior.mean[None]).clamp(-1, 1)
        semveil.send(face, "m.svl", key="k.key", subject="Ada")
        bob = semveil.receive("m.svl", "bob.png", key="k.key", snr_db=20)
        semveil.eavesdrop("m.svl", "eve.png", snr_db=20)
        assert bob.images.shape == face.shape
        error = (bob.images - face).square().mean()
        assert error < 0.1 * face.square().mean(), error
        verb("certify", "m.svl")
        verb("ledger", "show", "--subject", "Ada")
        Image.fromarray(np.full((64, 64, 3), 120, np.uint8)).save("grey.png")
        verb("protect", "grey.png", "--method", "noise-image", "--out", "converted")
        code = main(["protect", "grey.png", "--method", "blur", "--out", "blurred"])
        print("blur ended with", code)
        """,
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )


@pytest.mark.slow
def test_what_needs_no_face_runs(answer: subprocess.CompletedProcess[str]) -> None:
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-2000:]


@pytest.mark.slow
def test_what_needs_dlib_says_so(answer: subprocess.CompletedProcess[str]) -> None:
    assert "blur ended with 0" not in answer.stdout
    assert "pip install dlib-bin" in answer.stdout + answer.stderr
