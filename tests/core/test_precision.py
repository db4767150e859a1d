# SPDX-License-Identifier: Apache-2.0
"""One thread at a time sets the precision of ball arithmetic."""

import os
import subprocess
import sys
import threading

import pytest
from flint import ctx

from semveil.core.precision import working_precision

FORK = """
import os, threading
from semveil.core.precision import working_precision

entered, leave = threading.Event(), threading.Event()

def hold():
    with working_precision(60):
        entered.set()
        leave.wait()

threading.Thread(target=hold).start()
entered.wait()
child = os.fork()
if child == 0:
    with working_precision(70):
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
leave.set()
"""


def test_another_thread_waits_until_the_precision_is_restored() -> None:
    before = ctx.prec
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with working_precision(60):
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    threading.Timer(0.2, leave.set).start()
    with working_precision(200):
        assert leave.is_set()
        thread.join()
        assert ctx.prec == 200
    assert ctx.prec == before


def test_it_nests_and_is_restored_after_errors() -> None:
    before = ctx.prec
    with pytest.raises(ZeroDivisionError), working_precision(100):
        with working_precision(300):
            assert ctx.prec == 300
        assert ctx.prec == 100
        _ = 1 / 0
    assert ctx.prec == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forked_within_does_not_wait_for_ever() -> None:
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)
