# SPDX-License-Identifier: Apache-2.0
"""The interface of trained pairs of networks: settings, protection and deprotection."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class PairSettings:
    """Conditions that a pair was trained for, and is valid under.

    Attributes:
        codes: codes that the networks change, 0-based.
        style_dim: length D of a code.
        epsilon: nominal privacy budget of the noise that the pair imitates.
        calibration: `as_published` or `corrected`, how the scale follows from epsilon.
        scale: of the imitated Laplace noise, in latent units.
        noise: `frozen` (one draw per training photo) or `fresh` (a new draw every time).
        start: `default` (torch's initialisation) or `identity`.
        snr_db: of the channel in training; the lowest where `snr_high_db` is given.
        trained_on: which latents, in words.
        protection: which kind of pair, as users name it.
        noised: codes on which noise is imitated, where these are not all that the networks change.
        snr_high_db: the highest SNR in training, each in the range as likely; None for one SNR.
        channel: in training, as `channels.parse_link` reads it.

    Raises:
        ValueError: the highest SNR is below the lowest.
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
    snr_high_db: float | None = None
    channel: str = "awgn"

    def __post_init__(self) -> None:
        # 10 and 10.0 ask for the same pair, and so for the same file
        for name in ("epsilon", "scale", "snr_db"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if self.snr_high_db is not None:
            object.__setattr__(self, "snr_high_db", float(self.snr_high_db))
            if not self.snr_db <= self.snr_high_db:
                raise ValueError(
                    f"the highest SNR must not be below the lowest, got {self.snr_db:g} to "
                    f"{self.snr_high_db:g} dB"
                )

    @property
    def snrs_db(self) -> tuple[float, float]:
        """Lowest and highest SNR of the training."""
        return self.snr_db, self.snr_db if self.snr_high_db is None else self.snr_high_db

    @property
    def heard_over(self) -> str:
        """Channel and SNR of the training in words."""
        low, high = self.snrs_db
        return f"{self.channel} of {low:g} dB" if low == high else f"{self.channel} of {low:g} to {high:g} dB"

    @property
    def noised_codes(self) -> tuple[int, ...]:
        """The codes on which noise is imitated."""
        return self.noised or self.codes

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready; SNR range and channel are omitted at their defaults, for compatibility with older pairs."""
        plain = asdict(self)
        for name, usual in (("snr_high_db", None), ("channel", "awgn")):
            if plain[name] == usual:
                del plain[name]
        return plain

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PairSettings":
        """Settings from the result of `as_dict`.

        Args:
            values: JSON object; lists of codes become tuples.

        Raises:
            KeyError: `codes` is missing.
            TypeError: a field is unknown, or a required one missing.
            ValueError: the highest SNR is below the lowest.
        """
        return cls(**{**values, "codes": tuple(values["codes"]), "noised": tuple(values.get("noised", ()))})


class TrainedPair(nn.Module, ABC):
    """Two networks that are Alice's and Bob's only secret, the same for every photo.

    Deterministic: the same photo gives the same block, and anybody with the pair can invert it. It is not a
    differentially private mechanism (`docs/methods/dp-semcom.md`).
    """

    settings: PairSettings

    @abstractmethod
    def protect(self, private: Tensor) -> Tensor:
        """Alice's network.

        Args:
            private: (B, m, D) private block.

        Returns:
            (B, m, D) block to transmit.

        Raises:
            ValueError: as for `check`.
        """

    @abstractmethod
    def deprotect(self, received: Tensor) -> Tensor:
        """Bob's network.

        Args:
            received: (B, m, D) received block, denormalised.

        Returns:
            (B, m, D) estimate of the private block.

        Raises:
            ValueError: as for `check`.
        """

    @abstractmethod
    def imitation(self, private: Tensor) -> Tensor:
        """The term that the networks add to the noised codes in place of noise.

        Args:
            private: (B, m, D) private block.

        Returns:
            (B, k, D), k being the number of noised codes.
        """

    def check(self, block: Tensor) -> None:
        """Check the shape of a block against the settings.

        Args:
            block: (B, m, D).

        Raises:
            ValueError: it has other dimensions m or D.
        """
        expected = (len(self.settings.codes), self.settings.style_dim)
        if block.shape[1:] != expected:
            raise ValueError(
                f"the pair works on blocks (B, {expected[0]}, {expected[1]}), got {tuple(block.shape)}"
            )
