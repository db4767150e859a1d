# SPDX-License-Identifier: Apache-2.0
"""End-to-end training of DeepJSCC through a noisy channel, on the generators' training photos."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from semveil.channels import denormalise_power, normalise_power, pack, unpack
from semveil.channels.wiretap import AnyChannel, over
from semveil.core.checkpoints import save_checkpoint
from semveil.core.device import CPU, half_precision
from semveil.core.rng import global_stream
from semveil.data.face_set import FaceSet
from semveil.encoders.deep_jscc import DeepJSCC, DeepJSCCConfig
from semveil.faces.pixels import to_pixels
from semveil.training.joint import flipped
from semveil.training.processes import ALONE

SHOWN = 12  # photos on a sheet
SHEET_DB = 10.0


@dataclass(frozen=True)
class DeepJSCCTraining:
    """Settings of a run.

    Attributes:
        network: sizes of the network.
        steps, batch, learning_rate: Adam with cosine decay of the rate to zero.
        lowest_db, highest_db: range of the training SNR, drawn uniformly for each photo.
        perceptual: weight of the perceptual distance relative to the squared error.
    """

    network: DeepJSCCConfig = field(default_factory=DeepJSCCConfig)
    steps: int = 5000
    batch: int = 32
    learning_rate: float = 1e-3
    lowest_db: float = 5.0
    highest_db: float = 25.0
    perceptual: float = 0.0


class DeepJSCCTrainer:
    """Resumable training run.

    Args:
        faces: aligned photos of the network's size; held-out photos are excluded.
        settings: settings of the run.
        perceptual: distance of two image batches -> (B,).
        rng: source of initialisation, order, SNR and channel noise.
        channel: any `channel(symbols, snr_db, rng) -> received, state`; AWGN where None.
        device: device of the network.
    """

    processes = ALONE

    def __init__(
        self,
        faces: FaceSet,
        settings: DeepJSCCTraining,
        *,
        perceptual: Callable[[Tensor, Tensor], Tensor],
        rng: torch.Generator,
        channel: AnyChannel | None = None,
        device: torch.device = CPU,
    ) -> None:
        self.device = device
        self.photos = torch.from_numpy(faces.pixels[~faces.held_out]).permute(0, 3, 1, 2).contiguous()
        self.settings, self.perceptual, self.rng, self.channel, self.step = (
            settings,
            perceptual,
            rng,
            channel,
            0,
        )
        with global_stream(rng):
            self.network = DeepJSCC(settings.network).to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(self.network.parameters(), settings.learning_rate)

    def run(self, *, report: Callable[[int, dict[str, float]], None], until: float = math.inf) -> None:
        """Train to the last step, or to a deadline.

        Args:
            report: called after every step with the number of steps done and the losses.
            until: deadline on the clock of `time.monotonic()`, in seconds.
        """
        while self.step < self.settings.steps and time.monotonic() < until:
            loss = self._train_step()
            self.step += 1
            report(self.step, {"mse": loss})

    def _train_step(self) -> float:
        s = self.settings
        rate = s.learning_rate * (1 + math.cos(math.pi * self.step / s.steps)) / 2
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        rows = torch.randint(len(self.photos), (s.batch,), generator=self.rng)
        mirror = torch.rand(len(rows), 1, 1, 1, generator=self.rng) < 0.5
        images = self._prepared(flipped(self.photos[rows], mirror))
        snrs = s.lowest_db + (s.highest_db - s.lowest_db) * torch.rand(len(rows), generator=self.rng).to(
            self.device
        )
        received = self.through(images, snrs, rng=self.rng)
        mse = F.mse_loss(received, images)
        self.optimiser.zero_grad()
        (mse + s.perceptual * self.perceptual(received, images).mean()).backward()
        self.optimiser.step()
        return mse.item()

    def _prepared(self, photos: Tensor) -> Tensor:
        return (photos.to(self.device).float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)

    def through(self, images: Tensor, snr_db: float | Tensor, *, rng: torch.Generator) -> Tensor:
        """Bob's images (B, 3, S, S) after encoding, channel and decoding.

        Args:
            images: (B, 3, S, S) in [-1, 1].
            snr_db: SNR per complex symbol in dB, one number or (B,).
            rng: source of the channel noise.
        """
        with half_precision(self.device):
            latents = self.network.encode(images).float()
        symbols, gains = normalise_power(pack(latents.flatten(1)))
        heard = over(self.channel, symbols, snr_db, rng=rng)
        arrived = unpack(denormalise_power(heard, gains)).view_as(latents)
        with half_precision(self.device):
            return self.network.decode(arrived).float()

    @torch.no_grad()
    def sheet(self) -> NDArray[np.uint8]:
        """Training photos above Bob's images of them at 10 dB, (2 S, n S, 3) RGB."""
        photos = self._prepared(self.photos[:SHOWN])
        self.network.eval()
        seen = self.through(photos, SHEET_DB, rng=torch.Generator().manual_seed(0))
        self.network.train()
        return np.concatenate(
            [np.concatenate(list(to_pixels(x.float().clamp(-1, 1))), 1) for x in (photos.cpu(), seen.cpu())]
        )

    def finished(self, *, most: int = 4000) -> tuple[DeepJSCC, Tensor]:
        """The trained network on the CPU in evaluation mode, and latents (N, K, D) of training photos.

        Args:
            most: largest N.
        """
        network = self.network.to(CPU).eval().requires_grad_(False)
        with torch.inference_mode():
            parts = [network.encode(part.float() / 127.5 - 1) for part in self.photos[:most].split(64)]
        return network, torch.cat(parts).clone()

    def save(self, path: Path) -> None:
        """Save the training state.

        Args:
            path: checkpoint file.
        """
        save_checkpoint(path, self.state())

    def state(self) -> dict[str, Any]:
        """Everything needed to resume the run."""
        return {
            "settings": asdict(self.settings),
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "rng": self.rng.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from the state of a run with the same settings.

        Args:
            state: result of `state`.
        """
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.rng.set_state(state["rng"])
