# SPDX-License-Identifier: Apache-2.0
"""Options of a protection."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from semveil.cli.options import OptionError

if TYPE_CHECKING:
    from semveil.methods.protections import Protection


def default_model() -> str:
    from semveil.models.face import DEFAULT_MODEL

    return DEFAULT_MODEL


@dataclass(frozen=True, kw_only=True)
class ProtectionOptions:
    """Options of a protection; None selects the method's default."""

    protection: str | None = None
    mechanism: str | None = None
    codes: tuple[int, ...] | None = None
    epsilon: float | None = None
    calibration: str | None = None
    budget: str | None = None
    delta: float | None = None
    guard: float | None = None
    deniable: bool = False
    perceptual: str | None = None

    def check(self, *, keyed: bool) -> None:
        """Check that the options are compatible, before anything is loaded.

        Args:
            keyed: whether a key is given.

        Raises:
            OptionError: two options exclude each other, or one does not apply to the protection.
        """
        if self.budget is not None and (self.codes is not None or self.epsilon is not None):
            raise OptionError(
                "--budget already names parts and epsilons; leave --epsilon, --private and --private-codes "
                "out"
            )
        kind = self.kind()
        if keyed and kind is not None and not kind.keyed:
            raise OptionError(f"--protection {kind.name} uses no key; leave it out, or take {_users('key')}")
        if self.deniable and not (keyed or self.needs_key()):
            raise OptionError("--deniable is for keyed protection; give --key, or leave it out")
        for option, value in (("delta", self.delta), ("guard", self.guard)):
            if value is not None and (kind is None or option not in kind.options):
                raise OptionError(f"--{option} is for --protection {_users(option)}")
        if self.codes is not None and kind is not None and not kind.protects:
            raise OptionError(
                f"--protection {kind.name} protects no codes; leave --private and --private-codes out"
            )

    def kind(self) -> "Protection | None":
        """The requested protection; None if it is left to the method."""
        if self.protection is None and self.mechanism is None:
            return None
        from semveil.methods.protections import PROTECTIONS, chosen_protection

        name = chosen_protection(self.protection, self.mechanism)
        return None if name is None else PROTECTIONS[name]

    def needs_key(self) -> bool:
        """Whether the requested protection takes a key."""
        kind = self.kind()
        return kind is not None and kind.keyed

    def arguments(self) -> dict[str, Any]:
        """Arguments of `DPSemCom`; None selects the method's default."""
        from semveil.mechanisms import parse_budget

        return {
            "protection": self.protection,
            "mechanism": self.mechanism,
            "private_codes": self.codes,
            "epsilon": self.epsilon,
            "calibration": self.calibration,
            "budget": None if self.budget is None else parse_budget(self.budget),
            "delta": self.delta,
            "guard": self.guard,
            "authenticate": False if self.deniable else None,
            "perceptual": self.perceptual,
        }


def _users(option: str) -> str:
    from semveil.methods.protections import using

    return " or ".join(using(option))
