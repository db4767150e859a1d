# SPDX-License-Identifier: Apache-2.0
"""Interface of trained pairs of networks: settings, protection and deprotection."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class PairSettings:
    """Conditions under which a pair was trained and is valid.

    Attributes:
        codes: codes that the networks change, 0-based.
        style_dim: length D of a code.
        epsilon: nominal privacy budget of the noise that the pair imitates.
        calibration: `as_published` or `corrected`: derivation of the scale from epsilon.
        scale: scale of the imitated Laplace noise, in latent units.
        noise: `frozen` (one draw per training photo) or `fresh` (a new draw every time).
        start: `default` (torch's initialisation) or `identity`.
        snr_db: SNR of the channel in training, in dB; the lowest if `snr_high_db` is given.
        trained_on: training latents, in words.
        protection: kind of pair, a name of a trained protection.
        noised: codes on which noise is imitated, if not all that the networks change.
        snr_high_db: highest SNR in training, with a uniform distribution over the range; None for one SNR.
        channel: channel in training, in the notation of `channels.parse_link`.

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
        # 10 and 10.0 denote the same pair, and so the same file
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
        """Lowest and highest SNR of the training, in dB."""
        return self.snr_db, self.snr_db if self.snr_high_db is None else self.snr_high_db

    @property
    def heard_over(self) -> str:
        """Channel and SNR of the training, in words."""
        low, high = self.snrs_db
        return f"{self.channel} of {low:g} dB" if low == high else f"{self.channel} of {low:g} to {high:g} dB"

    @property
    def noised_codes(self) -> tuple[int, ...]:
        """Codes on which noise is imitated."""
        return self.noised or self.codes

    def as_dict(self) -> dict[str, Any]:
        """Settings as a JSON-ready dictionary.

        SNR range and channel are omitted at their defaults, for compatibility with older pairs.
        """
        plain = asdict(self)
        for name, usual in (("snr_high_db", None), ("channel", "awgn")):
            if plain[name] == usual:
                del plain[name]
        return plain

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "PairSettings":
        """Read settings from the result of `as_dict`.

        Args:
            values: JSON object; lists of codes become tuples.

        Raises:
            KeyError: `codes` is missing.
            TypeError: a field is unknown, or a required one missing.
            ValueError: the highest SNR is below the lowest.
        """
        return cls(**{**values, "codes": tuple(values["codes"]), "noised": tuple(values.get("noised", ()))})


class TrainedPair(nn.Module, ABC):
    """Alice's and Bob's networks, which are their only secret and the same for every photo.

    Deterministic: the same photo gives the same block, and anybody with the pair can invert it. It is not a
    differentially private mechanism (`docs/methods/dp-semcom.md`).
    """

    settings: PairSettings

    @abstractmethod
    def protect(self, private: Tensor) -> Tensor:
        """Apply Alice's network.

        Args:
            private: (B, m, D) private block.

        Returns:
            (B, m, D) block to transmit.

        Raises:
            ValueError: as for `check`.
        """

    @abstractmethod
    def deprotect(self, received: Tensor) -> Tensor:
        """Apply Bob's network.

        Args:
            received: (B, m, D) received block, denormalised.

        Returns:
            (B, m, D) estimate of the private block.

        Raises:
            ValueError: as for `check`.
        """

    @abstractmethod
    def imitation(self, private: Tensor) -> Tensor:
        """Term that the networks add to the noised codes in place of noise.

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
            ValueError: wrong m or D.
        """
        expected = (len(self.settings.codes), self.settings.style_dim)
        if block.shape[1:] != expected:
            raise ValueError(
                f"the pair works on blocks (B, {expected[0]}, {expected[1]}), got {tuple(block.shape)}"
            )
