# SPDX-License-Identifier: Apache-2.0
"""Training of a compact identity encoder by distillation.

On small faces it reproduces the output of a strong recogniser on full-resolution photos.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.device import CPU, half_precision
from semveil.core.rng import global_stream
from semveil.data.face_set import FaceSet
from semveil.recognition.identity_encoder import IdentityEncoder, IdentityEncoderConfig
from semveil.training.augment import similarity_grid
from semveil.training.draws import Draws
from semveil.training.one_network import OneNetworkTrainer
from semveil.training.teacher_descriptors import TeacherDescriptors

AVERAGE = 0.998  # decay of the weight average per step
BUNDLED_SIZES = IdentityEncoderConfig(
    size=128, top=30, left=16, side=96, stem=2, widths=(32, 64, 128, 256), blocks=(1, 2, 2)
)


@dataclass(frozen=True)
class IdentityEncoderTraining:
    """Settings of a run.

    Attributes:
        encoder: sizes of the network, those of the bundled one by default.
        steps, batch, learning_rate, weight_decay: AdamW; the rate rises over a tenth of the steps, then falls
            to zero.
        whitening: power in [0, 1] of the inverse standard deviation by which the teacher's directions are
            scaled. At 0.75 the cosines of strangers spread as those of directions drawn uniformly from the
            sphere, so a noisy or random vector is distributed like that of a face.
        neighbours: weight of the loss that makes the encoder rank all training photos as the teacher does.
        sharpness: inverse temperature of that ranking.
    """

    encoder: IdentityEncoderConfig = BUNDLED_SIZES
    steps: int = 3600
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    whitening: float = 0.75
    neighbours: float = 0.5
    sharpness: float = 16.0


def identity_encoder_trainer(
    faces: FaceSet,
    teacher: TeacherDescriptors,
    settings: IdentityEncoderTraining,
    *,
    rng: torch.Generator,
    device: torch.device = CPU,
) -> OneNetworkTrainer[IdentityEncoder]:
    """Trainer that distils a teacher's identity vectors into an encoder.

    The loss is 1 - cosine to the teacher's vector, plus the cross-entropy between both rankings of all
    training photos.

    Args:
        faces: aligned faces of the encoder's size; only those not held out are used, without names.
        teacher: descriptors of those photos.
        settings: settings of the run.
        rng: source of initialisation, order and augmentation.
        device: device of the training.
    """
    chosen, draws = ~faces.held_out, Draws(rng, device)
    photos = torch.from_numpy(faces.pixels[chosen]).permute(0, 3, 1, 2)
    descriptors = torch.from_numpy(teacher.of(faces.source[chosen]))
    all_wanted = targets(descriptors, settings.encoder.dimensions, whitening=settings.whitening).to(device)
    with global_stream(rng):
        network = IdentityEncoder(settings.encoder)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(
        network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps, pct_start=0.1
    )

    def loss() -> Tensor:
        rows = torch.randint(len(photos), (settings.batch,), generator=rng)
        images = vary(photos[rows].to(device).float() / 127.5 - 1, draws)
        with global_stream(rng), half_precision(device):  # dropout
            vectors = network(images.contiguous(memory_format=torch.channels_last)).float()
        wanted = all_wanted[rows.to(device)]
        cosine = (1 - (vectors * wanted).sum(1)).mean()
        ranking = (settings.sharpness * wanted @ all_wanted.T).softmax(1)
        return cosine + settings.neighbours * F.cross_entropy(
            settings.sharpness * vectors @ all_wanted.T, ranking
        )

    return OneNetworkTrainer(network, optimiser, schedule, loss, settings=settings, rng=rng, average=AVERAGE)


def targets(descriptors: Tensor, dimensions: int, *, whitening: float) -> Tensor:
    """Teacher's descriptors as unit vectors of length `dimensions`, spread over the whole sphere.

    dlib's descriptors form a narrow cone in a 77-dimensional subspace of R^128. They are centred, projected
    on their leading principal directions, divided by the standard deviations to the power `whitening`, and
    scaled to length 1.

    Args:
        descriptors: (N, D).
        dimensions: d <= D, number of principal directions.
        whitening: 0 keeps the spread of each direction, 1 equalises all.

    Returns:
        (N, d).

    Raises:
        ValueError: the descriptors spread over fewer directions.

    Example:
        >>> wide = torch.tensor([[9.0, 0.0, 5.0], [-9.0, 0.0, 5.0], [0.0, 1.0, 5.0], [0.0, -1.0, 5.0]])
        >>> targets(wide, 2, whitening=1.0).abs().round(decimals=4).tolist()
        [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    """
    centred = (descriptors - descriptors.mean(0)).double()
    _, values, directions = torch.linalg.svd(centred, full_matrices=False)
    spread = values[:dimensions] / len(centred) ** 0.5
    if len(spread) < dimensions or spread[-1] < 1e-3 * spread[0]:
        raise ValueError(
            f"the {len(centred)} descriptors spread over fewer than {dimensions} directions; train on more "
            "photos, or with fewer dimensions (encoder.dimensions)"
        )
    return F.normalize(centred @ directions[:dimensions].T / spread**whitening, dim=1).float()


def vary(images: Tensor, draws: Draws) -> Tensor:
    """Vary images by random flip, small similarity warp, contrast, colour, blur and noise.

    Each image has its own draw.

    Args:
        images: (B, 3, S, S) in [-1, 1].
        draws: source of the variations.
    """
    n = len(images)
    uniform = lambda low, high, *shape: draws.uniform(*shape, low=low, high=high)  # noqa: E731
    grid = similarity_grid(images.shape, angle=0.1, zoom=0.08, shift=0.06, draws=draws)  # shift: 2 of 64 px
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    images = (
        images * uniform(0.7, 1.3, n, 1, 1, 1)
        + uniform(-0.2, 0.2, n, 1, 1, 1)
        + uniform(-0.08, 0.08, n, 3, 1, 1)
    )
    coarse = max(2, images.shape[-1] // 32)
    soft = F.interpolate(
        F.avg_pool2d(images, coarse), scale_factor=coarse, mode="bilinear", align_corners=False
    )
    images = torch.lerp(images, soft, uniform(0, 1, n, 1, 1, 1) * draws.chance(0.5, n, 1, 1, 1))
    grey = images.mean(1, keepdim=True)
    images = torch.where(draws.chance(0.1, n, 1, 1, 1), grey, images)
    return (images + 0.02 * draws.normal(*images.shape)).clamp(-1, 1)
