# SPDX-License-Identifier: Apache-2.0
"""dp-semcom: semantic communication over a wiretap channel with imitated differential privacy [DPSC].

Weixuan Chen, Shunpu Tang, Qianqian Yang, "Enhancing Image Privacy in Semantic Communication over Wiretap
Channels leveraging Differential Privacy", 2024. The file follows the order of the paper: invert, clip,
protect, send; Bob receives, Eve eavesdrops. Gaps and errors of the paper are listed in
`docs/methods/dp-semcom.md`.
"""

import copy
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from semveil.channels import channel_of, denormalise_power, normalise_power, pack, unpack, wiretap
from semveil.channels.wiretap import AnyChannel, AnySnr, snrs
from semveil.core.device import moved
from semveil.core.model_folders import ModelName
from semveil.core.rng import Streams, streams
from semveil.encoders.inversion import Inversion, InversionSettings
from semveil.faces.parts import PRIVATE_CODES, describe_codes
from semveil.faces.pixels import check_range
from semveil.mechanisms import (
    CALIBRATIONS,
    CalibratedNoise,
    FittedNoise,
    PartBudget,
    fitted_epsilon,
    part_budget,
)
from semveil.methods.pairs import find_pair
from semveil.methods.protection_options import check_options
from semveil.methods.protections import PROTECTIONS, Setting, chosen_protection
from semveil.methods.protectors import Trained
from semveil.methods.shared_key import SharedKey
from semveil.methods.transmission import Transmission, WiretapResult
from semveil.models.face import DEFAULT_MODEL, FaceModel, face_model
from semveil.privacy.coverage import Coverage
from semveil.privacy.guarantee import Guarantee
from semveil.protection.pair import PairSettings, TrainedPair

PAPER_EPSILONS = (1, 3, 5, 8, 10, 15, 30, 100, 300, 800)
DEFAULT_EPSILON = 10.0


class DPSemCom:
    """Sends a face's latent codes to Bob, protected against an eavesdropper.

    This is the semantic link of Alice, Bob and the paper's Eve, for one model, code set and protection.

    Args:
        model: a loaded model, or its name.
        private_codes: 0-based indices of the codes to protect. By default the paper's seven; all codes with
            `nn-encrypted` or keyed protection, which leaves nothing in clear. With `none`: the codes that
            attacks target.
        epsilon: nominal privacy budget (10), whose true value follows from the calibration; with `modulo`,
            the budget of its noise against receivers without the key, or None for uniform noise, which needs
            none.
        calibration: `as_published` (Eqs. 17-19, the default of `nn`) or `corrected` (of genuine noise).
        protection: `nn` (the trained pair), `nn-encrypted` or `learned` (pairs after the abstracts of its
            successors); `rotation` or `modulo` (keyed); `laplace`, `l2-laplace` or `gaussian` (genuine noise,
            which Bob cannot remove); or `none`. By default `laplace` with a budget, `rotation` with a key,
            and otherwise `nn`, as in the paper.
        mechanism: alternative to `protection`: genuine noise of this law, one of `MECHANISMS`.
        pair: the trained pair, whose epsilon and calibration apply; looked up by its settings where None.
        budget: alternative to `private_codes` and `epsilon`: epsilon by face part, with separate Laplace
            noise for each part.
        delta: delta of the guarantee of `gaussian` (1e-5).
        key: key shared with Bob, for keyed protection; a new one where None, for simulations.
        authenticate: whether Bob detects tampering and wrong keys, see `Keyed`.
        guard: width of the guard band of `modulo`, relative to the clip box (0.2); see
            `protection.modulo.guard_for`.
        rotations: with `rotation`: `code`, one for each code; or `block`, one for all of them, as in older
            messages.
        inversion: settings of the inversion; the model's own where None.
        perceptual: perceptual term of the inversion, such as `lpips`, see `FaceModel.invert`; the model's own
            where None.

    Raises:
        ValueError: an unknown name, a code out of range, or options that cannot be combined.
        NoPair: the pair of a trained protection is missing; `semveil train protector` trains one.

    Example:
        >>> method = DPSemCom(protection="none")
        >>> method.private_parts[:3], method.guarantee().basis.value
        (['shared 0', 'shared 1', 'skin shape'], 'none')
    """

    name = "dp-semcom"
    hides: ClassVar[str] = "the face, from everybody without the key; without a key at all, nothing"
    leaves: ClassVar[str] = "when and how much is sent"
    by_default: ClassVar[str] = "with a key epsilon 0 and a tiny delta; without one: no guarantee"

    def __init__(
        self,
        model: FaceModel | ModelName = DEFAULT_MODEL,
        *,
        private_codes: Sequence[int] | None = None,
        epsilon: float | None = None,
        calibration: str | None = None,
        protection: str | None = None,
        mechanism: str | None = None,
        pair: TrainedPair | None = None,
        budget: Mapping[str, float] | None = None,
        delta: float | None = None,
        key: SharedKey | None = None,
        authenticate: bool = True,
        guard: float | None = None,
        rotations: str = "code",
        inversion: InversionSettings | None = None,
        perceptual: str | None = None,
    ) -> None:
        self.model = face_model(model)
        if not self.model.semantic:
            raise ValueError(
                f"dp-semcom needs a model whose codes belong to face parts, such as {DEFAULT_MODEL}; those "
                f"of {self.model.name} belong to scales"
            )
        self.inversion, self.perceptual = (
            inversion or self.model.inversion,
            perceptual or self.model.perceptual,
        )
        protection = chosen_protection(protection, mechanism)
        if protection is None:
            own = "nn" if pair is None else pair.settings.protection
            protection = "laplace" if budget else own if key is None else "rotation"
        if budget is not None and not isinstance(budget, Mapping):
            raise TypeError(f"a budget is a dict such as {{'skin': 5.0, 'eyes': 3.0}}, got {budget!r}")
        asked = {
            "epsilon": epsilon, "calibration": calibration, "delta": delta, "guard": guard, "key": key,
            "pair": pair, "deniable": not authenticate, "budget": budget or None,
            "private_codes": private_codes,
        }  # fmt: skip
        check_options(protection, asked)
        if pair is not None:
            epsilon, calibration = _as_trained(pair, epsilon, calibration)
        self.protection, self.budget = protection, dict(budget) if budget else None
        self.kind = PROTECTIONS[protection]
        codes, style_dim = self.model.latent_shape
        shares = part_budget(self.budget, self.model.box, style_dim) if self.budget else None
        self.private_codes = self._codes(private_codes, shares)
        self.noised_codes = self.private_codes
        if self.kind.never_fewer:
            self.noised_codes = PRIVATE_CODES if pair is None else pair.settings.noised_codes
        self.calibration: CalibratedNoise = CALIBRATIONS[calibration or self.kind.calibration](
            DEFAULT_EPSILON if epsilon is None else epsilon,
            self.model.box,
            perturbed=len(self.noised_codes) * style_dim,
            total=codes * style_dim,
        )
        self.pair: TrainedPair | None = None
        if self.kind.trained is not None:
            settings = pair.settings if pair else self.pair_settings()
            if settings.protection != protection:
                raise ValueError(
                    f"the pair was trained for protection {settings.protection!r}, not {protection!r}"
                )
            if (settings.codes, settings.style_dim) != (self.private_codes, style_dim):
                raise ValueError(f"the pair protects codes {settings.codes}, not {self.private_codes}")
            self.pair = moved(pair or find_pair(self.model, settings), self.model.device, self.model.dtype)
        self.nominal_epsilon = self._nominal_epsilon(epsilon)
        if rotations not in ("code", "block"):
            raise ValueError(f"rotations must be 'code' or 'block', got {rotations!r}")
        self.protector = self.kind.build(
            Setting(
                method=self.name,
                model=self.model,
                codes=self.private_codes,
                calibration=self.calibration,
                epsilon=epsilon,
                delta=delta,
                key=key,
                authenticate=authenticate,
                guard=guard,
                rotations=rotations,
                shares=shares,
                pair=self.pair,
            )
        )

    def __repr__(self) -> str:
        epsilon = "" if self.nominal_epsilon is None else f", nominal epsilon {self.nominal_epsilon:g}"
        codes = f"{len(self.private_codes)} of {self.model.latent_shape[0]} codes private"
        return f"DPSemCom({self.model.name!r}, protection={self.protection!r}{epsilon}, {codes})"

    def _codes(self, private_codes: Sequence[int] | None, shares: PartBudget | None) -> tuple[int, ...]:
        if shares is not None:
            return shares.codes
        most = self.model.latent_shape[0]
        if private_codes is None:
            private_codes = range(most) if self.kind.all_codes else PRIVATE_CODES
        try:
            codes = tuple(sorted(set(map(operator.index, private_codes))))
        except TypeError:  # texts, fractions
            codes = ()
        if self.kind.never_fewer and codes != tuple(range(most)):
            raise ValueError(f"protection {self.protection!r} changes all codes; leave private_codes out")
        if not codes or not 0 <= codes[0] <= codes[-1] < most:
            raise ValueError(
                f"private codes must be one or more indices in 0..{most - 1}, got {private_codes!r}"
            )
        return codes

    def _nominal_epsilon(self, epsilon: float | None) -> float | None:
        if self.budget is not None:
            return sum(self.budget.values())
        if not self.kind.takes_epsilon or self.kind.keyed:
            return epsilon
        return self.calibration.nominal_epsilon

    def to(self, device: str | torch.device | None = None, dtype: torch.dtype | None = None) -> "DPSemCom":
        """Return the method with its networks on another device or in another precision.

        Keys, keystreams and exact noise stay on the CPU; their outputs move to the device of the latents.

        Args:
            device: target device, such as `cuda:1`, see `core.device.choose_device`.
            dtype: float32 or float64.
        """
        there = copy.copy(self)
        there.model = self.model.to(device, dtype)
        if self.pair is not None:
            there.pair = moved(self.pair, device, dtype)
            there.protector = Trained(there.pair)
        return there

    @property
    def private_parts(self) -> list[str]:
        """Names of the private codes."""
        return describe_codes(self.private_codes)

    def pair_settings(self, **changes: Any) -> PairSettings:
        """Settings of the pair for this method; of the paper's pair if its protection is not trained.

        Args:
            changes: fields of `PairSettings`, such as noise or start; default start and 20 dB otherwise.
        """
        noised = {"noised": self.noised_codes} if self.kind.never_fewer else {}
        own = {} if self.kind.trained is None else {"protection": self.protection, "noise": self.kind.noise}
        asked = {**own, **noised, **changes}
        return PairSettings(
            codes=self.private_codes,
            style_dim=self.model.latent_shape[1],
            epsilon=self.calibration.nominal_epsilon,
            calibration=self.calibration.name,
            scale=self.calibration.scale,
            **asked,
        )

    # Alice

    def invert(
        self, images: Tensor, *, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> Inversion:
        """GAN inversion: latents (B, K, D), not clipped, of photos ([DPSC] Eq. 4).

        Args:
            images: (B, 3, S, S) in [-1, 1].
            progress: called with the completed and the total number of photo-steps.

        Raises:
            ValueError: the photos are not of the model's size, not finite, or not floats in [-1, 1].
        """
        check_range(images)
        return self.model.invert(
            images, perceptual=self.perceptual, settings=self.inversion, progress=progress
        )

    def send(self, images: Tensor, *, rng: torch.Generator | None = None) -> Transmission:
        """Alice: photos -> symbols of unit mean power.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            rng: as for `send_codes`.
        """
        return self.send_codes(self.invert(images).codes, rng=rng)

    def send_codes(self, codes: Tensor, *, rng: torch.Generator | None = None) -> Transmission:
        """Alice: clip, protect, merge and pack latents, and normalise their power ([DPSC] Eqs. 5 to 9).

        Args:
            codes: (B, K, D).
            rng: source of simulated noise, which is no release; genuine noise comes from the operating system
                where None.

        Raises:
            ValueError: the codes have another shape, or are not finite floats.
        """
        sent, private = self._clipped(codes), list(self.private_codes)
        protected = self.protector.protect(sent[:, private], rng=rng)
        sent[:, private] = protected.block
        symbols, gains = normalise_power(pack(sent.flatten(1)))
        transmission = Transmission(symbols, gains, self.guarantee(simulated=rng is not None))
        return (
            transmission
            if protected.seal is None
            else replace(transmission, keyed=protected.seal(transmission.bound()))
        )

    # Bob and Eve

    def receive(self, transmission: Transmission) -> Tensor:
        """Bob: denormalise, deprotect, merge and synthesise images (B, 3, S, S) ([DPSC] Eqs. 12 to 14).

        Args:
            transmission: the received transmission.

        Raises:
            KeyProblem: the key is not Alice's, or the side information was altered.
        """
        return self.synthesize(self.receive_codes(transmission))

    def receive_codes(self, transmission: Transmission) -> Tensor:
        """Bob's estimate of all codes (B, K, D), differentiable in the symbols.

        Args:
            transmission: the received transmission.

        Raises:
            KeyProblem: the key is not Alice's, or the side information was altered.
        """
        codes, private = self.heard_codes(transmission), list(self.private_codes)
        codes[:, private] = self.protector.deprotect(
            codes[:, private], transmission.keyed, transmission.bound()
        )
        return codes

    def eavesdrop(self, transmission: Transmission) -> Tensor:
        """The paper's Eve: images (B, 3, S, S) from the received latents without any attack ([DPSC] Eq. 15).

        With keyed protection she decodes the private block as far as its public description allows without
        the key.

        Args:
            transmission: the transmission received by Eve.
        """
        codes, private = self.heard_codes(transmission), list(self.private_codes)
        codes[:, private] = self.protector.interpret(codes[:, private])
        return self.synthesize(codes)

    def transmit(
        self,
        images: Tensor,
        *,
        snr_db: AnySnr = 20.0,
        eve_snr_db: AnySnr | None = None,
        codes: Tensor | None = None,
        sent: Transmission | None = None,
        run: Streams | int | None = None,
        bob_channel: AnyChannel | str | None = None,
        eve_channel: AnyChannel | str | None = None,
    ) -> WiretapResult:
        """Simulate all three parties.

        Args:
            images: (B, 3, H, W) photos in [-1, 1].
            snr_db: Bob's SNR per complex symbol in dB: one number, or (B,) one for each photo.
            eve_snr_db: Eve's SNR, likewise; Bob's where None, as in the paper.
            codes: latents of the photos, if known; inverted otherwise.
            sent: transmission of these photos by this method, received again, such as at another SNR; a new
                transmission where None.
            run: named random streams, or their seed; `bob` and `eve` draw the channel noise, and with a given
                seed `dp` draws the genuine noise, which is then simulated. Nonces are always fresh.
            bob_channel: any `channel(symbols, snr_db, rng) -> received, state`, such as a `channels.Link`, or
                a description for `parse_link`; each photo is one message; AWGN where None. The direct image
                is transmitted over a channel like Bob's.
            eve_channel: Eve's channel, likewise.

        Raises:
            ValueError: the photos do not fit the model, there are codes or symbols of more or fewer photos,
                or the SNR or a channel is not valid.
        """
        check_range(images)
        bob_channel, eve_channel = channel_of(bob_channel), channel_of(eve_channel)
        run = run if isinstance(run, Streams) else streams(run)
        codes = self._clipped(self.invert(images).codes if codes is None else codes)
        for name, given in (("latents", codes), ("messages", None if sent is None else sent.symbols)):
            if given is not None and len(given) != len(images):
                raise ValueError(f"{len(images)} photos with {len(given)} {name}; each photo needs its own")
        if sent is None:
            sent = self.send_codes(codes, rng=None if run.seed is None else run["dp"])
        snr_db, eve_snr_db = (
            snrs(snr_db, len(codes)),
            None if eve_snr_db is None else snrs(eve_snr_db, len(codes)),
        )
        heard = wiretap(
            sent.symbols,
            snr_db,
            eve_snr_db,
            rng_bob=run["bob"],
            rng_eve=run["eve"],
            bob_channel=bob_channel,
            eve_channel=eve_channel,
        )
        symbols, gains = normalise_power(pack(codes.flatten(1)))
        plain = wiretap(
            symbols, snr_db, rng_bob=run["direct"], rng_eve=run["direct eve"], bob_channel=bob_channel
        ).bob
        return WiretapResult(
            source=images.to(self.model.device),
            inverted=self.synthesize(codes),
            direct=self.synthesize(self.heard_codes(Transmission(plain, gains, sent.guarantee))),
            bob=self.receive(replace(sent, symbols=heard.bob)),
            eve=self.eavesdrop(replace(sent, symbols=heard.eve)),
            codes=codes,
            transmission=sent,
        )

    # Guarantee

    def guarantee(self, *, simulated: bool = False) -> Guarantee:
        """Guarantee against an eavesdropper who receives the symbols.

        Args:
            simulated: genuine noise was drawn from a seeded stream.
        """
        coverage = Coverage.of_codes(self.model.digest, self.private_codes, self.model.latent_shape[0])
        claim = self.protector.guarantee(coverage.words, coverage.clear_words, simulated=simulated)
        return claim if self.protection == "none" else claim.about(coverage)

    def noise_calibration(self, codes: Tensor) -> FittedNoise | None:
        """Laplace law fitted to the pair's change of latents, with its epsilon' ([DPSC] Eqs. 16, 17).

        Not a guarantee; None without a trained pair.

        Args:
            codes: (B, K, D).
        """
        if self.pair is None:
            return None
        block = self._clipped(codes)[:, list(self.private_codes)]
        return fitted_epsilon(self.pair.imitation(block), self.calibration.sensitivity)

    def _clipped(self, codes: Tensor) -> Tensor:
        if codes.ndim != 3 or codes.shape[1:] != self.model.latent_shape:
            raise ValueError(
                f"latents must be (B, {', '.join(map(str, self.model.latent_shape))}) for "
                f"{self.model.name}, got {tuple(codes.shape)}"
            )
        return self.model.box.clip(codes.to(self.model.device))

    def heard_codes(self, transmission: Transmission) -> Tensor:
        """Received latents (B, K, D), private codes still protected.

        Args:
            transmission: the received transmission.
        """
        symbols, gains = (x.to(self.model.device) for x in (transmission.symbols, transmission.gains))
        reals = unpack(denormalise_power(symbols, gains))
        return reals.unflatten(1, self.model.latent_shape).clone()

    def synthesize(self, codes: Tensor) -> Tensor:
        """Images (B, 3, S, S) from latents (B, K, D), 64 at a time.

        Args:
            codes: (B, K, D).
        """
        with torch.inference_mode():
            parts = [self.model.generator.synthesize(part) for part in self.model.placed(codes).split(64)]
        return torch.cat(parts)  # outside, so that images can be trained on


def pair_settings(
    model: FaceModel,
    *,
    epsilon: float = DEFAULT_EPSILON,
    calibration: str = "as_published",
    private_codes: Sequence[int] = PRIVATE_CODES,
    protection: str = "nn",
    **changes: Any,
) -> PairSettings:
    """Settings of a pair for a model, trained or not, for lookup and training.

    Args:
        model: the face model.
        epsilon: nominal privacy budget.
        calibration: `as_published` or `corrected`.
        private_codes: codes on which noise is imitated, 0-based.
        protection: a trained protection.
        changes: fields of `PairSettings`, such as noise or start.

    Raises:
        ValueError: a value out of range, or an unknown name.
    """
    named = DPSemCom(model, private_codes=private_codes, protection="none")
    codes, style_dim = model.latent_shape
    perturbed = len(named.private_codes) * style_dim
    named.calibration = CALIBRATIONS[calibration](
        epsilon, model.box, perturbed=perturbed, total=codes * style_dim
    )
    kind = PROTECTIONS[protection]
    if kind.trained is None:
        raise ValueError(f"protection {protection!r} uses no trained pair")
    if kind.never_fewer:
        changes = {"noised": named.private_codes, **changes}
        named.private_codes = tuple(range(codes))
    return named.pair_settings(**{"protection": protection, "noise": kind.noise, **changes})


def _as_trained(pair: TrainedPair, epsilon: float | None, calibration: str | None) -> tuple[float, str]:
    """Epsilon and calibration of a trained pair.

    Raises:
        ValueError: other values are requested.
    """
    own = pair.settings.epsilon, pair.settings.calibration
    for name, wanted, has in (("epsilon", epsilon, own[0]), ("calibration", calibration, own[1])):
        if wanted is not None and wanted != has:
            raise ValueError(f"the pair was trained for {name} {has}, not {wanted}; leave {name} out")
    return own
