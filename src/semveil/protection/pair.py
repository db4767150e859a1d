"""What every trained pair of networks has: settings, and the two directions of the private block."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class PairSettings:
    """What a pair was trained for; it serves nothing else.

    Attributes:
        codes: codes that the networks change, 0-based.
        style_dim: length D of a code.
        epsilon: nominal privacy budget of the noise that the pair imitates.
        calibration: `as_published` or `corrected`, how the scale follows from epsilon.
        scale: of the imitated Laplace noise, in latent units.
        noise: `frozen` (one draw per training photo) or `fresh` (a new draw every time).
        start: `default` (torch's initialisation) or `identity`.
        snr_db: of the channel in training.
        trained_on: which latents, in words.
        protection: which kind of pair, as users name it.
        noised: codes on which noise is imitated, where these are not all that the networks change.
    """

    codes: tuple[int, ...]
    style_dim: int
    epsilon: float
    calibration: str
    scale: float
    noise: str = "frozen"
    start: str = "default"
    snr_db: float = 20.0
    trained_on: str = ""
    protection: str = "nn"
    noised: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("epsilon", "scale", "snr_db"):  # 10 and 10.0 ask for the same pair, and so for the same file
            object.__setattr__(self, name, float(getattr(self, name)))

    @property
    def noised_codes(self) -> tuple[int, ...]:
        """The codes on which noise is imitated."""
        return self.noised or self.codes

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PairSettings":
        return cls(**{**values, "codes": tuple(values["codes"]), "noised": tuple(values.get("noised", ()))})


class TrainedPair(nn.Module, ABC):
    """Two networks that are Alice's and Bob's only secret, the same for every photo.

    Deterministic: the same photo gives the same block, and whoever knows the pair undoes it. It is no differentially private
    mechanism (`docs/methods/dp-semcom.md`).
    """

    settings: PairSettings

    @abstractmethod
    def protect(self, private: Tensor) -> Tensor:
        """Private block (B, m, D) -> what is sent, same shape."""

    @abstractmethod
    def deprotect(self, received: Tensor) -> Tensor:
        """Received block (B, m, D) -> Bob's estimate of the private block."""

    @abstractmethod
    def imitation(self, private: Tensor) -> Tensor:
        """What the networks put onto the noised codes of a private block (B, m, D) in place of noise."""

    def check(self, block: Tensor) -> None:
        """Refuse a block of another shape.

        Raises:
            ValueError: it is not (B, m, D).
        """
        expected = (len(self.settings.codes), self.settings.style_dim)
        if block.shape[1:] != expected:
            raise ValueError(f"the pair works on blocks (B, {expected[0]}, {expected[1]}), got {tuple(block.shape)}")
