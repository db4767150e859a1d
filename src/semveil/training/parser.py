# SPDX-License-Identifier: Apache-2.0
"""Training of the face parser on the labelled photos of a face set."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from semveil.core.device import CPU, half_precision
from semveil.core.rng import global_stream
from semveil.data.face_set import FaceSet
from semveil.faces.parts import PARTS
from semveil.faces.pixels import to_tensor
from semveil.recognition.face_parser import FaceParser
from semveil.training.augment import similarity_grid
from semveil.training.draws import Draws
from semveil.training.one_network import OneNetworkTrainer


@dataclass(frozen=True)
class ParserTraining:
    """Settings of a run with AdamW and a one-cycle learning rate.

    Attributes:
        steps, batch, learning_rate: optimiser settings; `learning_rate` is the peak rate.
        dice: weight of `dice_loss` relative to the cross-entropy, in which eyes and glasses hardly count.
    """

    steps: int = 3000
    batch: int = 16
    learning_rate: float = 2e-3
    dice: float = 1.0


def parser_trainer(
    faces: FaceSet, settings: ParserTraining, *, rng: torch.Generator, device: torch.device = CPU
) -> OneNetworkTrainer[FaceParser]:
    """Trainer of a face parser with cross-entropy and Dice loss, on labelled photos that are not held out.

    Random flips, shifts, blur and colour changes make the parser robust to differences between photo
    collections.

    Args:
        faces: photos with labels; unlabelled ones are excluded.
        settings: steps, batch, learning rate and weight of the Dice loss.
        rng: source of initial weights, batches and variations.
        device: device of the training.
    """
    labelled = (faces.labels[:, 0, 0] != 255) & ~faces.held_out
    images = torch.from_numpy(faces.pixels[labelled]).permute(0, 3, 1, 2)
    labels = torch.from_numpy(faces.labels[labelled]).long()
    with global_stream(rng):
        parser = FaceParser().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(parser.parameters(), lr=settings.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps
    )
    draws = Draws(rng, device)

    def loss() -> Tensor:
        index = torch.randint(len(images), (settings.batch,), generator=rng)
        x, y = _vary(images[index].to(device).float() / 127.5 - 1, labels[index].to(device), draws)
        with half_precision(device):
            logits = parser(x.contiguous(memory_format=torch.channels_last))
        return F.cross_entropy(logits.float(), y) + settings.dice * dice_loss(logits.float(), y)

    return OneNetworkTrainer(parser, optimiser, schedule, loss, settings=settings, rng=rng)


def dice_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Dice loss 1 - (2 sum p y + 1) / (sum p + sum y + 1), averaged over parts.

    Small parts therefore count as much as large ones. Sums run over all pixels of the batch; p are
    probabilities, y is 1 where a pixel is labelled as the part (Milletari et al., 3DV 2016).

    Args:
        logits: (B, parts, H, W).
        labels: (B, H, W), integers.

    Example:
        >>> right = torch.tensor([[[[9.0, -9.0]], [[-9.0, 9.0]]]])  # pixel 0 is of part 0, pixel 1 of part 1
        >>> [round(dice_loss(right, torch.tensor([[row]])).item(), 2) for row in ([0, 1], [0, 0], [1, 0])]
        [0.0, 0.38, 0.67]
    """
    wanted = F.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(logits.dtype)
    shown = logits.softmax(1)
    shared, sizes = (shown * wanted).sum((0, 2, 3)), (shown + wanted).sum((0, 2, 3))
    return (1 - (2 * shared + 1) / (sizes + 1)).mean()


def _vary(images: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
    """Random flip, similarity warp, contrast, colour and blur, one draw per image."""
    n = len(images)
    uniform = lambda low, high, *shape: draws.uniform(*shape, low=low, high=high)  # noqa: E731
    grid = similarity_grid(images.shape, angle=0.25, zoom=0.2, shift=0.12, draws=draws)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    labels = F.grid_sample(
        labels.float().unsqueeze(1), grid, mode="nearest", padding_mode="reflection", align_corners=False
    ).squeeze(1)
    images = images * uniform(0.7, 1.3, n, 1, 1, 1) + uniform(-0.25, 0.25, n, 3, 1, 1)
    soft = F.interpolate(F.avg_pool2d(images, 2), scale_factor=2, mode="bilinear", align_corners=False)
    images = torch.lerp(images, soft, uniform(0, 1, n, 1, 1, 1))
    grey = images.mean(1, keepdim=True)
    images = torch.where(draws.chance(0.1, n, 1, 1, 1), grey, images)
    return images + 0.03 * draws.normal(*images.shape), labels.long()


def held_out_iou(parser: FaceParser, faces: FaceSet) -> dict[str, float]:
    """Intersection over union per face part on the labelled, held-out faces; empty if there are none.

    Args:
        parser: the trained parser.
        faces: photos with labels.
    """
    held = faces.select((faces.labels[:, 0, 0] != 255) & faces.held_out)
    if not len(held):
        return {}
    truth = torch.from_numpy(held.labels)
    predicted = parser.label(to_tensor(held.pixels))
    return intersection_over_union(predicted, truth)


def intersection_over_union(predicted: Tensor, truth: Tensor) -> dict[str, float]:
    """Intersection over union |A and B| / |A or B| per face part over all pixels.

    Parts absent from both are omitted.

    Args:
        predicted: (N, H, W) part indices.
        truth: (N, H, W) part indices.

    Example:
        >>> intersection_over_union(torch.tensor([[[0, 0, 1]]]), torch.tensor([[[0, 1, 1]]]))
        {'background': 0.5, 'skin': 0.5}
    """
    scores = {}
    for i, part in enumerate(PARTS):
        a, b = predicted == i, truth == i
        if union := int((a | b).sum()):
            scores[part] = int((a & b).sum()) / union
    return scores


def label_faces(parser: FaceParser, faces: FaceSet, *, batch: int = 256) -> FaceSet:
    """Copy of the faces in which the parser has labelled the unlabelled ones.

    Args:
        parser: the trained parser.
        faces: photos; those whose first label is 255 are unlabelled.
        batch: photos per batch.
    """
    labels = faces.labels.copy()
    unlabelled = np.flatnonzero(labels[:, 0, 0] == 255)
    for first in range(0, len(unlabelled), batch):
        rows = unlabelled[first : first + batch]
        labels[rows] = parser.label(to_tensor(faces.pixels[rows])).numpy()
    return faces.with_labels(labels)
