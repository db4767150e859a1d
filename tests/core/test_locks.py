# SPDX-License-Identifier: Apache-2.0
"""One process at a time writes, everywhere; without locks nothing is written and the file is named."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from semveil.core import locks
from semveil.core.errors import OutputError
from semveil.core.locks import lock_file
from semveil.keys import NonceLog, new_nonce
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Guarantee
from semveil.privacy.ledger import Ledger

HOLDER = """
import sys
from semveil.core.locks import lock_file
file = open(sys.argv[1], "ab")
lock_file(file.fileno(), file.name)
print("locked", flush=True)
sys.stdin.read()
"""


def test_another_process_is_kept_out_until_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == b"locked\n"
        with path.open("ab") as file:
            assert not lock_file(file.fileno(), path, wait=False)
            holder.stdin.close()
            assert lock_file(file.fileno(), path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_locks_is_named_and_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_locks(descriptor: int, **_: object) -> bool:
        raise OSError(number, "No locks available")

    monkeypatch.setattr(locks, "lock_descriptor", no_locks)
    made = Certificate(
        release="image", method="m", protection="p", guarantee=Guarantee.none("x", reason="a test")
    )
    for act, name in (
        (lambda: Ledger(tmp_path / "book.jsonl").record("Ada", made), "book.jsonl"),
        (lambda: NonceLog(tmp_path / "nonces.log").add(new_nonce()), "nonces.log"),
    ):
        with pytest.raises(OutputError, match=rf"cannot lock .*{name}.*has no locks .No locks available"):
            act()
        assert (tmp_path / name).read_bytes() == b""


# What Windows lacks, hidden from semveil and from the locks' library; the other libraries have parts of their
# own for it.
WITHOUT_POSIX = """
import importlib, os, pkgutil, sys
import cryptography, dlib, matplotlib.figure, numpy, PIL.Image, rich.console, safetensors.torch, scipy.ndimage
import skimage.transform, torch, torchmetrics, typer
for name in ("fcntl", "grp", "pwd", "resource", "termios", "syslog", "pty", "tty"):
    sys.modules[name] = None
for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY", "pread", "pwrite", "fchmod", "fork"):
    if hasattr(os, name):
        delattr(os, name)
import semveil
for module in pkgutil.walk_packages(semveil.__path__, "semveil."):
    # the web page needs gradio, an extra
    if not module.name.endswith(("__main__", "semveil.web.page", "semveil.web.tabs")):
        importlib.import_module(module.name)
from semveil.keys import Secret, read_secret, write_secret
write_secret(sys.argv[1], Secret.generate())
read_secret(sys.argv[1])
"""


def test_everything_imports_where_posix_is_absent(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT_POSIX, str(tmp_path / "my.key")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
