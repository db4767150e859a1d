# SPDX-License-Identifier: Apache-2.0
"""The face parser learns labels that are there to learn, and only from photos that are not held out."""

import numpy as np
import torch

from semveil.data.face_set import FaceSet
from semveil.recognition.face_parser import FaceParser
from semveil.training.parser import ParserTraining, held_out_iou, label_faces, parser_trainer


def coloured_faces(count: int = 32) -> FaceSet:
    """Light discs (skin) on dark ground (background) at random places; every fourth is held out, every fifth
    unlabelled.
    """
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    labels = np.stack([np.hypot(x - a, y - b) < 0.5 for a, b in rng.uniform(-0.3, 0.3, (count, 2))]).astype(
        np.uint8
    )
    pixels = np.where(labels[..., None], 220, 40) + rng.integers(-20, 20, (count, 32, 32, 3))
    labels[4::5] = 255
    names = np.array([f"p{i}" for i in range(count)])
    inside = np.full((count, 32, 32), 255, np.uint8)
    return FaceSet(
        pixels.astype(np.uint8),
        inside,
        labels,
        names,
        names,
        np.where(np.arange(count) % 4 == 0, "development", "training"),
    )


def trained_for(faces: FaceSet, steps: int, *, batch: int, seed: int = 0) -> FaceParser:
    trainer = parser_trainer(faces, ParserTraining(steps, batch), rng=torch.Generator().manual_seed(seed))
    trainer.run(report=lambda step, loss: None)
    return trainer.network.eval()


def test_it_labels_what_it_has_not_seen():
    faces = coloured_faces()
    untrained, trained = (trained_for(faces, n, batch=8) for n in (2, 160))
    scores = held_out_iou(trained, faces)
    assert scores["skin"] > 0.8 and scores["background"] > 0.8
    assert held_out_iou(untrained, faces).get("skin", 0) < 0.8
    filled = label_faces(trained, faces)
    assert (filled.labels != 255).all()
    known = faces.labels[:, 0, 0] != 255
    assert (filled.labels[known] == faces.labels[known]).all()
    assert (label_faces(trained, filled).labels == filled.labels).all()  # nothing left to label


def test_a_seed_gives_the_same_parser_whatever_was_drawn_before():
    faces = coloured_faces()

    def trained(seed: int) -> list[torch.Tensor]:
        torch.rand(1)  # from the stream that layers are initialised from
        return [*trained_for(faces, 2, batch=4, seed=seed).state_dict().values()]

    first, again, other = trained(0), trained(0), trained(1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))
