"""A training that keeps its state in a file: where it lies, going on from it, saving, and what is said at the end."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from semveil.cli import options
from semveil.cli.console import progress, show, when_interrupted

SAVE_EVERY = 250  # steps


def state_file(out: Path, checkpoint: Path | None) -> Path:
    """Where the state of a run is kept, checked before anything is loaded."""
    options.check_output_folder(out)
    state = checkpoint or out.with_name(f"{out.name}.checkpoint")
    state.parent.mkdir(parents=True, exist_ok=True)
    options.check_output_file(state)
    return state


def resume(trainer: Any, path: Path) -> None:
    """Go on from the state in a file that a run with the same settings left; only the number of steps may differ."""
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


def train(trainer: Any, state: Path, *, title: str, shown: str, minutes: float | None, quiet: bool) -> bool:
    """Take the steps that are left, or as many as the time allows, saving on the way and at the end.

    Args:
        shown: the loss that the progress bar names.

    Returns:
        Whether all steps are done.
    """
    from semveil.core.config import as_json
    from semveil.core.files import write_whole

    settings = trainer.settings
    write_whole(state.with_name(f"{state.name}.json"), as_json(settings))
    until = float("inf") if minutes is None else time.monotonic() + 60 * minutes
    saved = trainer.step

    def kept() -> str:
        return (
            f"step {saved} of {settings.steps} is kept in {state}; run the same command again to go on"
            if saved
            else (f"nothing is kept yet: the state is saved every {SAVE_EVERY} steps")
        )

    with when_interrupted(kept), progress(title, quiet=quiet) as advance:

        def report(step: int, losses: dict[str, float]) -> None:
            nonlocal saved
            advance(step, settings.steps, shown, losses[shown])
            if step % SAVE_EVERY == 0:
                trainer.save(state)
                saved = step

        trainer.run(report=report, until=until)
    trainer.save(state)
    return trainer.step >= settings.steps


def tell(trainer: Any, out: Path, state: Path, *, done: bool, as_json: bool) -> None:
    """Say how far the run is, and where its model or its state lies."""
    steps = trainer.settings.steps
    line = f"Step {trainer.step} of {steps}; " + (f"model in {out}." if done else f"run it again to go on from {state}.")
    result = {"step": trainer.step, "steps": steps, "checkpoint": str(state), "model": str(out) if done else None}
    show(result, [line], as_json=as_json)
