"""The options of a protection."""

from dataclasses import dataclass
from typing import Any

from semveil.cli.options import OptionError


def default_model() -> str:
    from semveil.methods.face_model import DEFAULT_MODEL

    return DEFAULT_MODEL


@dataclass(frozen=True, kw_only=True)
class ProtectionOptions:
    """Options of a protection; None leaves a value to the method."""

    protection: str | None = None
    codes: tuple[int, ...] | None = None
    epsilon: float | None = None
    calibration: str | None = None
    budget: str | None = None
    delta: float | None = None
    guard: float | None = None
    deniable: bool = False
    perceptual: str | None = None

    def check(self, *, keyed: bool) -> None:
        """Refuse options that exclude each other, before anything is loaded."""
        if self.budget is not None and (self.codes is not None or self.epsilon is not None):
            raise OptionError("--budget already names parts and epsilons; leave --epsilon, --private and --private-codes out")
        if keyed and self.protection not in (None, "rotation", "modulo"):
            raise OptionError(f"--protection {self.protection} uses no key; leave it out, or take rotation or modulo")
        if self.deniable and not (keyed or self.protection in ("rotation", "modulo")):
            raise OptionError("--deniable is for keyed protection; give --key, or leave it out")
        if self.delta is not None and self.protection != "gaussian":
            raise OptionError("--delta is for --protection gaussian")
        if self.guard is not None and self.protection != "modulo":
            raise OptionError("--guard is for --protection modulo")
        if self.codes is not None and self.protection == "none":
            raise OptionError("--protection none protects no codes; leave --private and --private-codes out")

    def arguments(self) -> dict[str, Any]:
        """Arguments of `DPSemCom`; None leaves a value to the method."""
        from semveil.mechanisms import parse_budget

        return {
            "protection": self.protection,
            "private_codes": self.codes,
            "epsilon": self.epsilon,
            "calibration": self.calibration,
            "budget": None if self.budget is None else parse_budget(self.budget),
            "delta": self.delta,
            "guard": self.guard,
            "authenticate": False if self.deniable else None,
            "perceptual": self.perceptual,
        }
