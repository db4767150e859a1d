# SPDX-License-Identifier: Apache-2.0
"""Training run with its state in a file: resuming, saving, and the final report."""

import os
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from semveil.cli import options
from semveil.cli.command import OPTIONS_TABLE
from semveil.cli.console import progress, show, when_interrupted

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

S = TypeVar("S")
SAVE_EVERY = 250  # steps between saves
SAVE_SECONDS = 300.0  # longest time between saves
SHEET_MINUTES = 30.0

RUN = "Run"

Config = Annotated[
    Path | None,
    typer.Option(
        help=(
            "TOML file of settings; its table [options] holds options of this command. The command line wins."
        ),
        metavar="FILE.toml",
        rich_help_panel="Settings",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Override a setting; repeat it for several.",
        metavar="a.b=c",
        rich_help_panel="Settings",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        help="File of the run's state; OUT.checkpoint by default. An existing one is continued.",
        metavar="FILE",
        rich_help_panel=RUN,
    ),
]
Minutes = Annotated[
    float | None,
    typer.Option(help="Stop after this time; run it again to go on.", metavar="M", rich_help_panel=RUN),
]
SheetMinutes = Annotated[
    float,
    typer.Option(
        help=(
            "Minutes between two sheets of samples and reconstructions, written beside the state; 0 for none."
        ),
        metavar="M",
        min=0,
        rich_help_panel=RUN,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        help="Random seed of weight initialisation, data order and noise.", metavar="N", rich_help_panel=RUN
    ),
]


def read_settings(
    schema: type[S], config: Path | None, overrides: list[str] | None, *, defaults: S | None = None
) -> S:
    """Settings of a training from the defaults, a TOML file and `--set`, in increasing precedence.

    The file's `[options]` table is left to the command.

    Args:
        schema: dataclass of the settings.
        config: TOML file, or None.
        overrides: values of `--set`, such as `batch=8`, or None.
        defaults: replaces the schema's defaults.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a value is not valid.
    """

    from semveil.core.config import read_config

    return read_config(schema, config, overrides or [], defaults=defaults, besides=(OPTIONS_TABLE,))


def only_process(device: str) -> "torch.device":
    """Device of a training that runs in a single process.

    Args:
        device: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        DeviceError: there is no such device.
        OptionError: torchrun started several processes.
    """
    from semveil.core.device import choose_device

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise options.OptionError(
            "only train generator and train fusion run in several processes; start this without torchrun"
        )
    return choose_device(device)


def paced(advance: Callable[..., None], batch: int) -> Callable[..., None]:
    """Wrap a progress callback so that it also shows photos per second.

    Args:
        advance: called as (step, steps, *more).
        batch: photos per step.
    """
    from semveil.training.pace import Pace

    pace: Pace | None = None

    def told(step: int, steps: int, *rest: Any) -> None:
        nonlocal pace
        pace = pace or Pace(batch=batch, steps=steps, done=step)
        advance(step, steps, *rest, pace.at(step))

    return told


def state_file(out: Path, checkpoint: Path | None) -> Path:
    """Path of a run's checkpoint, checked before anything is loaded; its folder is created.

    Args:
        out: path of the trained model.
        checkpoint: path given by the user; `OUT.checkpoint` next to the model if None.

    Raises:
        OutputError: the model or the checkpoint cannot be written there.
    """
    options.check_output_folder(out)
    state = checkpoint or out.with_name(f"{out.name}.checkpoint")
    state.parent.mkdir(parents=True, exist_ok=True)
    options.check_output_file(state)
    return state


def resume(trainer: Any, path: Path) -> None:
    """Load a checkpoint into a trainer; settings must agree, except for the number of steps.

    Args:
        trainer: with `settings` and `load_state`.
        path: the checkpoint.

    Raises:
        BadCheckpoint: the file is damaged or belongs to another training.
        OptionError: the settings differ; the message names them.
    """
    from semveil.core.checkpoints import BadCheckpoint, read_checkpoint

    state = read_checkpoint(path)
    mine, stored = asdict(trainer.settings), state.get("settings")
    if not isinstance(stored, dict):
        raise BadCheckpoint(f"{path.name} is no checkpoint of this training")
    changed = [key for key in mine if key != "steps" and mine[key] != stored.get(key)]
    if changed:
        raise options.OptionError(
            f"{path} was made with other settings ({', '.join(changed)}); give those, or another --checkpoint"
        )
    try:
        trainer.load_state(state)
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} does not fit this training: {error}") from error


class _State:
    """File of a run's state, saved every `SAVE_EVERY` steps and after `SAVE_SECONDS`.

    Attributes:
        step: the trainer's step when it was last saved.
    """

    def __init__(self, trainer: Any, path: Path) -> None:
        self.trainer, self.path = trainer, path
        self.step, self._at = trainer.step, time.monotonic()

    def save_when_due(self) -> None:
        step = self.trainer.step
        if step % SAVE_EVERY == 0 or time.monotonic() - self._at >= SAVE_SECONDS:
            self.trainer.save(self.path)
            self.step, self._at = step, time.monotonic()

    def told(self) -> str:
        """What is kept, for a user who interrupts the training."""
        if not self.step:
            return f"nothing is kept yet: the state is saved every {SAVE_EVERY} steps or {SAVE_SECONDS:.0f} s"
        return (
            f"step {self.step} of {self.trainer.settings.steps} is kept in {self.path}; run the same command "
            "again to go on"
        )


def train(
    trainer: Any,
    state: Path,
    *,
    title: str,
    shown: str,
    minutes: float | None,
    quiet: bool,
    sheet: "Callable[[], NDArray[np.uint8]]",
    sheet_minutes: float = SHEET_MINUTES,
) -> bool:
    """Take the remaining steps, or as many as the time allows, saving during training and at the end.

    Only the first of several processes saves, draws and reports.

    Args:
        trainer: takes the steps and holds the state.
        state: file of its state.
        title: label of the progress bar.
        shown: name of the loss in the progress bar.
        minutes: wall-clock minutes after which it stops; None for no limit.
        quiet: show no progress bar.
        sheet: draws a sheet of samples and reconstructions.
        sheet_minutes: minutes between two sheets; 0 for none.

    Returns:
        Whether all steps are done.
    """
    from semveil.core.config import as_json
    from semveil.core.files import write_whole
    from semveil.data.save import save_png
    from semveil.training.pace import Pace

    settings, first = trainer.settings, trainer.processes.first
    quiet = quiet or not first
    if first:
        write_whole(state.with_name(f"{state.name}.json"), as_json(settings))
    until = float("inf") if minutes is None else time.monotonic() + 60 * minutes
    kept_state = _State(trainer, state)
    pace = Pace(batch=settings.batch, steps=settings.steps, done=trainer.step)
    drawn = time.monotonic()

    with when_interrupted(kept_state.told), progress(title, quiet=quiet) as advance:

        def report(step: int, losses: dict[str, float]) -> None:
            nonlocal drawn
            rate, now = pace.at(step), time.monotonic()
            advance(step, settings.steps, shown, losses[shown], rate)
            if first:
                kept_state.save_when_due()
            if first and sheet_minutes and now - drawn >= 60 * sheet_minutes:
                save_png(state.with_name(f"{state.name}.sheet-{step}.png"), sheet(), private=True)
                drawn = time.monotonic()

        trainer.run(report=report, until=until)
    if first:
        trainer.save(state)
    return trainer.step >= settings.steps


def train_one(trainer: Any, state: Path, *, title: str, quiet: bool) -> None:
    """Train a network to the end, from the checkpoint if there is one, saving the state during training.

    Args:
        trainer: with `settings`, `run`, `save` and `load_state`.
        state: path of the checkpoint.
        title: label of the progress bar.
        quiet: show no progress bar.

    Raises:
        BadCheckpoint: as for `resume`.
        OptionError: as for `resume`.
    """
    if state.is_file():
        resume(trainer, state)
    steps = trainer.settings.steps
    kept_state = _State(trainer, state)
    with when_interrupted(kept_state.told), progress(title, quiet=quiet) as advance:
        tell_pace = paced(advance, trainer.settings.batch)

        def report(step: int, loss: float) -> None:
            tell_pace(step, steps, "loss", loss)
            kept_state.save_when_due()

        trainer.run(report=report)
        trainer.save(state)


def tell(trainer: Any, out: Path, state: Path, *, done: bool, as_json: bool) -> None:
    """Print the number of steps done and the path of the model or checkpoint; only the first process prints.

    Args:
        trainer: with `step`, `settings` and `processes`.
        out: path of the model.
        state: path of the checkpoint.
        done: whether the model is complete.
        as_json: print JSON.
    """
    if not trainer.processes.first:
        return
    steps = trainer.settings.steps
    line = f"Step {trainer.step} of {steps}; " + (
        f"model in {out}." if done else f"run it again to go on from {state}."
    )
    result = {
        "step": trainer.step,
        "steps": steps,
        "checkpoint": str(state),
        "model": str(out) if done else None,
    }
    show(result, [line], as_json=as_json)
