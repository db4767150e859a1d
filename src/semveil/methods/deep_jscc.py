# SPDX-License-Identifier: Apache-2.0
"""DeepJSCC over the link, unprotected or with keyed protection of its latents."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from semveil.channels import denormalise_power, normalise_power, pack, unpack
from semveil.core.checkpoints import BadCheckpoint, build_to_fit, read_metadata
from semveil.core.config import check_kinds
from semveil.core.files import sha256_of_file, write_whole
from semveil.core.network_files import read_network
from semveil.core.text import parse_json
from semveil.encoders.deep_jscc import DeepJSCC, DeepJSCCConfig
from semveil.faces.pixels import check_range
from semveil.mechanisms import CALIBRATIONS, ClipBox
from semveil.methods.protections import PROTECTIONS, Setting
from semveil.methods.shared_key import SharedKey
from semveil.methods.transmission import Transmission
from semveil.models.prior import LatentPrior
from semveil.privacy.guarantee import Guarantee

PRIOR_RANK = 64
PRIOR = "prior."  # prefix of the prior's tensors in the networks' file


@dataclass(frozen=True, eq=False)
class DeepJSCCModel:
    """Trained networks with public bounds and prior of their latents.

    Attributes:
        network: trained encoder and decoder, frozen.
        box: public clip bounds.
        prior: Gaussian model of training photos' latents.
        digest: SHA-256 of the file.
    """

    network: DeepJSCC
    box: ClipBox
    prior: LatentPrior
    digest: str

    @property
    def size(self) -> int:
        return self.network.config.size

    @property
    def latent_shape(self) -> tuple[int, int]:
        """Shape (K, D) of the latents of an image."""
        return self.network.config.codes, self.network.config.style_dim

    def public_latents(self, count: int, *, rng: torch.Generator) -> Tensor:
        """Synthetic latents (count, K, D) from the prior, clipped to the box.

        Args:
            count: number of latents.
            rng: source of the samples.
        """
        return self.box.clip(self.prior.sample(count, rng=rng))


class DeepJSCCLink:
    """Link between Alice, Bob and Eve with DeepJSCC.

    Args:
        model: trained networks.
        protection: `none`, or a keyed protection of all latents.
        key: key shared with Bob; a new one where None, for simulations.

    Raises:
        ValueError: a protection by noise, or one trained for the codes of a face model.
    """

    name = "deep-jscc"

    def __init__(
        self, model: DeepJSCCModel, *, protection: str = "none", key: SharedKey | None = None
    ) -> None:
        self.model, self.kind, self.protection = model, PROTECTIONS[protection], protection
        if not self.kind.keyed and protection != "none":
            keyed = ", ".join(name for name, kind in PROTECTIONS.items() if kind.keyed)
            raise ValueError(
                f"latents of DeepJSCC are sent under a key ({keyed}) or as they are (none), not "
                f"{protection!r}"
            )
        self.private_codes = tuple(range(model.latent_shape[0]))
        numbers = model.latent_shape[0] * model.latent_shape[1]
        # required by `Setting`; no noise is drawn
        unused = CALIBRATIONS["corrected"](1.0, model.box, perturbed=numbers, total=numbers)
        setting = Setting(
            method=self.name, model=model, codes=self.private_codes, calibration=unused, key=key
        )
        self.protector = self.kind.build(setting)

    def encode(self, images: Tensor) -> Tensor:
        """Latents (B, K, D), clipped to the public box.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: not a floating-point tensor, or values outside [-1, 1].
        """
        check_range(images)
        with torch.inference_mode():
            codes = torch.cat([self.model.network.encode(part) for part in images.split(64)])
        return self.model.box.clip(codes.clone())

    def send(self, images: Tensor) -> Transmission:
        """Alice: encode, protect and map to symbols of unit mean power.

        Args:
            images: (B, 3, S, S) in [-1, 1].

        Raises:
            ValueError: not a floating-point tensor, or values outside [-1, 1].
        """
        return self.send_codes(self.encode(images))

    def send_codes(self, codes: Tensor, *, rng: torch.Generator | None = None) -> Transmission:
        """Alice: protect latents and map them to symbols of unit mean power.

        Args:
            codes: (B, K, D), clipped to the public box before protection.
            rng: source of simulated noise; the available protections draw none.
        """
        protected = self.protector.protect(self.model.box.clip(codes), rng=rng)
        symbols, gains = normalise_power(pack(protected.block.flatten(1)))
        sent = Transmission(symbols, gains, self.guarantee())
        return sent if protected.seal is None else replace(sent, keyed=protected.seal(sent.bound()))

    def receive(self, transmission: Transmission) -> Tensor:
        """Bob: remove power normalisation and protection, and decode to images (B, 3, S, S).

        Args:
            transmission: the received transmission.

        Raises:
            KeyProblem: the key is not Alice's, or the side information was altered.
        """
        heard = self.heard_codes(transmission)
        return self.synthesize(self.protector.deprotect(heard, transmission.keyed, transmission.bound()))

    def eavesdrop(self, transmission: Transmission) -> Tensor:
        """Images (B, 3, S, S) of an Eve with the networks but without the key, who attempts no attack.

        Args:
            transmission: the transmission received by Eve.
        """
        return self.synthesize(self.protector.interpret(self.heard_codes(transmission)))

    def heard_codes(self, transmission: Transmission) -> Tensor:
        """Received latents (B, K, D), still protected.

        Args:
            transmission: the received transmission.
        """
        reals = unpack(denormalise_power(transmission.symbols, transmission.gains))
        return reals.unflatten(1, self.model.latent_shape).clone()

    def synthesize(self, codes: Tensor) -> Tensor:
        """Images (B, 3, S, S) from latents (B, K, D), 64 at a time.

        Args:
            codes: (B, K, D).
        """
        with torch.inference_mode():
            parts = [self.model.network.decode(part) for part in codes.split(64)]
        return torch.cat(parts)  # outside, so that images can be trained on

    def guarantee(self) -> Guarantee:
        """Guarantee against an eavesdropper who receives the symbols."""
        return self.protector.guarantee("all latents", (), simulated=False)


def save_deep_jscc(path: Path, network: DeepJSCC, latents: Tensor, card: dict[str, object]) -> None:
    """Write networks, public bounds and prior to one file, in half precision.

    Args:
        path: path of the file.
        network: trained network.
        latents: (N, K, D) latents of training photos, from which bounds and prior are computed.
        card: training data and settings, JSON-ready.
    """
    box = ClipBox.from_quantiles(latents)
    # the remaining spread is the prior's residual
    prior = LatentPrior.fit(box.clip(latents), rank=min(PRIOR_RANK, max(1, len(latents) // 8)))
    state = {**network.state_dict(), **{f"{PRIOR}{name}": value for name, value in prior.tensors.items()}}
    told = {
        "config": network.config.as_dict(),
        "clip_box": {"lower": box.lower, "upper": box.upper, "source": box.source},
        "card": card,
    }
    half = {name: value.half().contiguous() for name, value in state.items()}
    write_whole(path, save(half, metadata={"deep_jscc": json.dumps(told)}))


def load_deep_jscc(path: Path) -> DeepJSCCModel:
    """Read a file written by `save_deep_jscc`.

    Args:
        path: the `.safetensors` file.

    Raises:
        BadCheckpoint: the file is missing or damaged, or holds another kind of network.
    """
    state = read_network(path)
    try:
        told = parse_json(read_metadata(path)["deep_jscc"])
        check_kinds(DeepJSCCConfig, told["config"])
        config, box = DeepJSCCConfig(**told["config"]), ClipBox(**told["clip_box"])
        prior = LatentPrior(
            state.pop(f"{PRIOR}mean"), state.pop(f"{PRIOR}factors"), state.pop(f"{PRIOR}residual")
        )
        shape = config.codes, config.style_dim
        if any(
            tuple(value.shape[-2:]) != shape or not value.isfinite().all() for value in prior.tensors.values()
        ):
            raise ValueError(f"its prior is none of {shape[0]} x {shape[1]} latents")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadCheckpoint(f"{path.name} holds no DeepJSCC: {error}") from error
    network = build_to_fit(lambda: DeepJSCC(config), state, name=path.name)
    return DeepJSCCModel(network, box, prior, sha256_of_file(path).hex())
