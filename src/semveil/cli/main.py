# SPDX-License-Identifier: Apache-2.0
"""The command line program: commands in groups; every error is one printable line with an exit code.

Commands import torch and modules that need it when they run, so that help and option errors are fast.
"""

import contextlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Annotated, Any

import typer

from semveil import __version__
from semveil.cli import (
    attack,
    audit,
    calibrate,
    certify,
    classify,
    data,
    evaluate,
    experiments,
    faces,
    invert,
    keygen,
    ledger,
    link,
    methods,
    models,
    protect,
    restore,
    transmit,
    web,
)
from semveil.cli.command import Command, Group
from semveil.cli.method_options import MethodCommand
from semveil.cli.streams import (
    INTERRUPTED,
    SIGNALLED,
    drop_output,
    expect_end,
    prepare_streams,
    tell_end,
    writing_output,
)
from semveil.cli.terminal import told
from semveil.cli.train import verbs as train
from semveil.core.errors import SemveilError, is_out_of_memory, printable
from semveil.core.plugins import PluginWarning

USAGE, BUG = 2, 70  # exit codes in addition to those of `core.errors`

START, SEND, QUESTION, KEEP, RESEARCH = (
    "Start", "Send over a link", "Test a guarantee", "Manage ledger, originals and models", "Research"
)  # fmt: skip
PANELS: dict[str, tuple[Callable[..., Any] | typer.Typer, ...]] = {
    START: (experiments.demo, protect.protect, methods.methods, faces.faces, web.web),
    SEND: (transmit.transmit, keygen.keygen, link.send, link.receive, link.eavesdrop),
    QUESTION: (
        certify.certify,
        attack.attack,
        audit.audit,
        evaluate.evaluate,
        calibrate.calibrate,
        classify.classify,
    ),
    KEEP: (ledger.app, restore.restore, models.app, data.app),
    RESEARCH: (experiments.reproduce, invert.invert, train.app),
}
CLASSES = {protect.protect: MethodCommand}

app = typer.Typer(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for _panel, _verbs in PANELS.items():
    for _verb in _verbs:
        if isinstance(_verb, typer.Typer):
            app.add_typer(_verb, rich_help_panel=_panel)
        else:
            app.command(cls=CLASSES.get(_verb, Command), rich_help_panel=_panel)(_verb)


@app.callback(invoke_without_command=True)
def _semveil(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; so does SEMVEIL_DEBUG=1.")] = False,
) -> None:
    """Protect faces in photos and clips, or send them so that only one person can read them.

    Certificates state what is guaranteed.

    Example: semveil demo

    Example: semveil protect portrait.jpg

    Example: semveil COMMAND --help
    """
    if version:
        print(f"semveil {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit


def main(arguments: Sequence[str]) -> int:
    """Run a command line; an error becomes one line on stderr, preceded by a traceback with `--debug`.

    Args:
        arguments: words after the name of the program.

    Returns:
        The exit code, see `core.errors`.
    """
    before = os.environ.get("SEMVEIL_DEBUG")
    if "--debug" not in arguments:
        return _run(arguments, debug=bool(before))
    os.environ["SEMVEIL_DEBUG"] = "1"  # for workers, and for photos whose errors become refusals
    try:
        return _run([a for a in arguments if a != "--debug"], debug=True)
    finally:
        if before is None:
            del os.environ["SEMVEIL_DEBUG"]
        else:
            os.environ["SEMVEIL_DEBUG"] = before


def _run(arguments: Sequence[str], *, debug: bool) -> int:
    """Run a command line without `--debug`, which may stand anywhere, so that it can be appended."""
    expect_end()
    try:
        os.getcwd()  # without a current folder torch's libraries abort the process
    except OSError:
        _tell("error: the folder that you are in no longer exists; change to another one")
        return 1
    try:
        result = app(list(arguments), prog_name="semveil", standalone_mode=False)
        with writing_output():
            pass  # flushes what help printed
        code = result if isinstance(result, int) else 0
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except SystemExit as error:  # from a signal; the stack was unwound, so unfinished files are deleted
        code = error.code if isinstance(error.code, int) else 1
    except BrokenPipeError:  # the reader of the output closed it
        drop_output()
        return 1
    except Exception as error:
        if debug:
            traceback.print_exc()
        message, code = _explained(error)
        _tell(f"error: {message}")
        return code
    if code > SIGNALLED:  # typer returns such a code for Ctrl-C
        tell_end(code)  # unless the command told more
    return code


def _tell(text: str) -> None:
    with contextlib.suppress(OSError):  # stderr may be closed
        print(told(f"semveil: {printable(text)}", sys.stderr), file=sys.stderr)


def _show_warning(message: Warning | str, *where: object, **more: object) -> None:
    """Print a warning as one line, without its location in the code."""
    _tell(f"note: {message}")


def _explained(error: Exception) -> tuple[str, int]:
    """Error message for the user, and the exit code."""
    if isinstance(error, SemveilError):
        return str(error), error.exit_code
    # a usage error; typer's class for it moved between versions
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        return (
            f"{error.format_message().rstrip('.')} (see {context.command_path if context else 'semveil'} "
            "--help)",
            USAGE,
        )
    if is_out_of_memory(error):
        return "there is not enough memory; use smaller or fewer photos, or a smaller model", 1
    if isinstance(error, ValueError):
        return str(error), USAGE
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'a file'}: {error.strerror}", 1
    if isinstance(error, OSError | ImportError):
        return str(error), 1
    return (
        f"unexpected {type(error).__name__}: {error}; run it again with --debug for the traceback and report "
        "it",
        BUG,
    )


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(SIGNALLED + number)


def run() -> None:
    """Run the command line of this process and exit with its code; called by `start.run`."""
    prepare_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # library warnings for programmers are not for users
        warnings.simplefilter("default", PluginWarning)
        warnings.showwarning = _show_warning
    for name in ("SIGTERM", "SIGHUP"):
        # nohup makes SIGHUP ignored
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:
            signal.signal(getattr(signal, name), _terminate)
    sys.exit(main(sys.argv[1:]))
