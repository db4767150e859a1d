"""dp-semcom: semantic communication over a wiretap channel with imitated differential privacy [DPSC].

Weixuan Chen, Shunpu Tang, Qianqian Yang, "Enhancing Image Privacy in Semantic Communication over Wiretap Channels
leveraging Differential Privacy", 2024. The file reads in the paper's order: invert, clip, protect, send; Bob receives,
Eve eavesdrops. What the paper leaves open or gets wrong is in `docs/methods/dp-semcom.md`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from semveil.channels import denormalise_power, normalise_power, pack, unpack, wiretap
from semveil.core.parts import describe_codes
from semveil.core.privacy import Guarantee
from semveil.core.registry import suggest
from semveil.core.rng import Streams, streams
from semveil.encoders.inversion import Inversion, InversionSettings, invert
from semveil.mechanisms import CALIBRATIONS, Calibration, Laplace, NoiseCalibration, fitted_epsilon
from semveil.methods.face_model import DEFAULT_MODEL, FaceModel, load_model
from semveil.methods.pairs import find_pair
from semveil.protection.linear_pair import LinearPair, PairSettings

PRIVATE_CODES = (0, 1, 4, 5, 6, 7, 8)  # the shared codes and "the 4th to 8th", read 0-based
PAPER_EPSILONS = (1, 3, 5, 8, 10, 15, 30, 100, 300, 800)
PROTECTIONS = ("nn", "laplace", "none")


@dataclass(frozen=True, eq=False)
class Transmission:
    """What crosses the channel, and the side information beside it.

    Attributes:
        symbols: (B, N) complex, N = K * D / 2, mean power 1 per symbol as sent.
        gains: (B,) factor by which power normalisation multiplied; computed from what is sent.
        guarantee: what holds for Eve, who hears the symbols.
    """

    symbols: Tensor
    gains: Tensor
    guarantee: Guarantee


@dataclass(frozen=True, eq=False)
class WiretapResult:
    """A simulated transmission; images (B, 3, H, W) about [-1, 1], not clamped.

    Attributes:
        source: the photos.
        inverted: what the generator makes of their clipped latents, before any channel.
        direct: Bob's image when the same latents are sent without protection over the same channel noise.
        bob, eve: what the two make of the protected signal.
        codes: (B, K, D) clipped latents.
        transmission: what was sent.
    """

    source: Tensor
    inverted: Tensor
    direct: Tensor
    bob: Tensor
    eve: Tensor
    codes: Tensor
    transmission: Transmission


class DPSemCom:
    """Alice, Bob and the paper's Eve, for one model, code set, budget and protection.

    Args:
        model: a loaded model, or its name.
        private_codes: 0-based indices of the codes to protect.
        epsilon: nominal privacy budget; its true value follows from the calibration.
        calibration: `as_published` (Eqs. 17-19) or `corrected`.
        protection: `nn` (the trained pair), `laplace` (genuine noise, which Bob cannot remove) or `none`.
        pair: the trained pair for `nn`; looked up by its settings where None.
        inversion: settings of the inversion; the model's own where None.

    Raises:
        ValueError: an unknown name or a code out of range.
        NoPair: `nn` without a trained pair; `semveil train protector` makes one.

    Example:
        >>> method = DPSemCom(protection="none")
        >>> method.private_parts[:3]
        ['shared 0', 'shared 1', 'skin shape']
    """

    name = "dp-semcom"

    def __init__(
        self,
        model: FaceModel | str = DEFAULT_MODEL,
        *,
        private_codes: Sequence[int] = PRIVATE_CODES,
        epsilon: float = 10.0,
        calibration: str = "as_published",
        protection: str = "nn",
        pair: LinearPair | None = None,
        inversion: InversionSettings | None = None,
    ) -> None:
        self.model = load_model(model) if isinstance(model, str) else model
        codes, style_dim = self.model.latent_shape
        if protection not in PROTECTIONS:
            raise ValueError(f"no protection named {protection!r}{suggest(protection, PROTECTIONS)}; use one of {PROTECTIONS}")
        self.private_codes = tuple(sorted(set(private_codes)))
        if not self.private_codes or not 0 <= self.private_codes[0] <= self.private_codes[-1] < codes:
            raise ValueError(f"private codes must be one or more indices in 0..{codes - 1}, got {list(private_codes)}")
        self.protection = protection
        self.pair: LinearPair | None = None
        self.inversion = inversion or self.model.inversion
        self.calibration: Calibration = CALIBRATIONS[calibration](
            epsilon, self.model.box, perturbed=len(self.private_codes) * style_dim, total=codes * style_dim
        )
        if protection == "nn":
            settings = pair.settings if pair else self.pair_settings()
            if (settings.codes, settings.style_dim) != (self.private_codes, style_dim):
                raise ValueError(f"the pair protects codes {settings.codes}, not {self.private_codes}")
            self.pair = pair or find_pair(self.model, settings)

    @property
    def private_parts(self) -> list[str]:
        """The private codes in words."""
        return describe_codes(self.private_codes)

    def pair_settings(self, **changes: Any) -> PairSettings:
        """Settings of the pair that this method asks for (frozen noise, default start, 20 dB unless changed)."""
        return PairSettings(
            codes=self.private_codes,
            style_dim=self.model.latent_shape[1],
            epsilon=self.calibration.nominal_epsilon,
            calibration=self.calibration.name,
            scale=self.calibration.scale,
            **changes,
        )

    # Alice

    def invert(
        self, images: Tensor, *, progress: Callable[[int, int], None] = lambda done, total: None, **options: Any
    ) -> Inversion:
        """Photos (B, 3, H, W) in [-1, 1] -> latents (B, K, D), not clipped (Eq. 4).

        Raises:
            ValueError: the photos are not of the model's size, or not finite.
        """
        size = self.model.size
        if images.shape[1:] != (3, size, size):
            raise ValueError(f"model {self.model.name} takes images (B, 3, {size}, {size}), got {tuple(images.shape)}")
        start = self.model.start_codes(images)
        return invert(images, self.model.generator, start=start, settings=self.inversion, progress=progress, **options)

    def protect(self, codes: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        """Clip to the public box, protect the private codes, merge with the common ones (Eqs. 5 to 9)."""
        sent = self.model.box.clip(codes)
        private = list(self.private_codes)
        if self.protection == "laplace":
            sent[:, private] = Laplace(self.calibration.scale)(sent[:, private], rng=rng)
        elif self.pair is not None:
            sent[:, private] = self.pair.protect(sent[:, private])
        return sent

    def send(self, images: Tensor, *, rng: torch.Generator | None = None) -> Transmission:
        """Alice's whole side: photos -> symbols of unit power."""
        return self.send_codes(self.invert(images).codes, rng=rng)

    def send_codes(self, codes: Tensor, *, rng: torch.Generator | None = None) -> Transmission:
        """The same from latents that are at hand."""
        symbols, gains = normalise_power(pack(self.protect(codes, rng=rng).flatten(1)))
        return Transmission(symbols, gains, self.guarantee())

    # Bob and Eve

    def receive(self, transmission: Transmission) -> Tensor:
        """Bob: de-normalise, deprotect the private codes, merge, synthesise (Eqs. 12 to 14)."""
        codes = self._received(transmission)
        if self.pair is not None:
            private = list(self.private_codes)
            codes[:, private] = self.pair.deprotect(codes[:, private])
        return self._synthesize(codes)

    def eavesdrop(self, transmission: Transmission) -> Tensor:
        """The paper's Eve: what she hears goes straight into the generator (Eq. 15). She does not try anything else."""
        return self._synthesize(self._received(transmission))

    def transmit(
        self,
        images: Tensor,
        *,
        snr_db: float = 20.0,
        eve_snr_db: float | None = None,
        codes: Tensor | None = None,
        run: Streams | int | None = None,
    ) -> WiretapResult:
        """All three parties, simulated.

        Args:
            images: (B, 3, H, W) photos in [-1, 1].
            snr_db: Bob's SNR per complex symbol.
            eve_snr_db: Eve's; Bob's where None, as in the paper.
            codes: latents of the photos where they are known; inverted otherwise.
            run: named random streams, or their seed; `dp` draws Laplace noise, `bob` and `eve` the channels'.
        """
        run = run if isinstance(run, Streams) else streams(run)
        codes = self.model.box.clip(self.invert(images).codes if codes is None else codes)
        sent = self.send_codes(codes, rng=run["dp"])
        heard = wiretap(sent.symbols, snr_db, eve_snr_db, rng_bob=run["bob"], rng_eve=run["eve"])
        symbols, gains = normalise_power(pack(codes.flatten(1)))
        plain = wiretap(symbols, snr_db, rng_bob=run["direct"], rng_eve=run["direct eve"]).bob
        return WiretapResult(
            source=images,
            inverted=self._synthesize(codes),
            direct=self._synthesize(self._received(Transmission(plain, gains, sent.guarantee))),
            bob=self.receive(Transmission(heard.bob, sent.gains, sent.guarantee)),
            eve=self.eavesdrop(Transmission(heard.eve, sent.gains, sent.guarantee)),
            codes=codes,
            transmission=sent,
        )

    # What is claimed

    def guarantee(self) -> Guarantee:
        """What holds against someone who hears the symbols."""
        private = f"the private codes ({', '.join(self.private_parts)})"
        common = ("the other codes, sent in clear and computed from the same photo",)
        if self.protection == "none":
            return Guarantee.none("nothing", reason="the latents are sent as they are", not_covered=("the whole photo",))
        if self.protection == "nn":
            return Guarantee.none(
                private,
                reason="the protection network is deterministic: two photos give two different signals with certainty",
                not_covered=common,
            )
        all_codes = len(self.private_codes) == self.model.latent_shape[0]
        mechanism = Laplace(self.calibration.scale)
        return mechanism.guarantee(self.calibration.sensitivity, covers=private, not_covered=() if all_codes else common)

    def noise_calibration(self, codes: Tensor) -> NoiseCalibration | None:
        """How Laplacian the pair's change of these latents looks, and its epsilon': no guarantee (Eqs. 16, 17)."""
        if self.pair is None:
            return None
        block = self.model.box.clip(codes)[:, list(self.private_codes)]
        return fitted_epsilon(self.pair.protect(block) - block, self.calibration.sensitivity)

    def _received(self, transmission: Transmission) -> Tensor:
        reals = unpack(denormalise_power(transmission.symbols, transmission.gains))
        return reals.unflatten(1, self.model.latent_shape).clone()

    def _synthesize(self, codes: Tensor) -> Tensor:
        with torch.inference_mode():
            return torch.cat([self.model.generator.synthesize(part) for part in codes.split(64)])
