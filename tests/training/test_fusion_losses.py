# SPDX-License-Identifier: Apache-2.0
"""What the fusion's losses ask for: who was asked for and no more, the photo's parts, and eyes and mouth in
their crops.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from semveil.faces.parts import PARTS
from semveil.faces.template import TEMPLATE
from semveil.training.fusion_losses import (
    PARSED,
    colour_loss,
    component,
    identity_losses,
    parsing_loss,
    squared_distance,
    texture_loss,
)


def towards(cosine: float) -> torch.Tensor:
    """A unit vector in the plane at that cosine from (1, 0)."""
    return torch.tensor([[cosine, (1 - cosine**2) ** 0.5]])


OWN, SWAPPED = towards(1.0), torch.tensor([True])


@pytest.mark.parametrize(
    ("asked", "looks", "leak"), [(0.3, 0.9, 0.6), (0.3, 0.3, 0.0), (0.3, -0.5, 0.0), (-0.4, 0.1, 0.5)]
)
def test_a_face_is_pushed_away_from_its_person_as_far_as_asked_and_no_further(asked, looks, leak):
    vector = towards(looks).requires_grad_()
    identity, away = identity_losses(vector, towards(asked), OWN, SWAPPED)
    assert away.item() == pytest.approx(leak, abs=1e-6)
    assert identity.item() == pytest.approx(1 - (towards(looks) * towards(asked)).sum().item(), abs=1e-6)
    away.backward()
    assert vector.grad is not None and (vector.grad != 0).any() == (leak > 0)


def test_together_they_lead_to_the_identity_that_was_asked_for():
    asked, free = towards(0.5), torch.tensor([[0.9, 0.1]], requires_grad=True)
    optimiser = torch.optim.Adam([free], 0.02)
    for _ in range(300):
        identity, away = identity_losses(F.normalize(free), asked, OWN, SWAPPED)
        optimiser.zero_grad()
        (identity + 5 * away).backward()
        optimiser.step()
    torch.testing.assert_close(F.normalize(free.detach()), asked, atol=0.02, rtol=0)


def test_faces_with_their_own_identity_are_not_pushed_away():
    assert identity_losses(OWN, OWN, OWN, ~SWAPPED)[1].item() == 0
    two = torch.cat([OWN, OWN])
    assert identity_losses(two, two.flip(1), two, torch.tensor([True, False]))[1].item() == pytest.approx(0.5)


def test_who_is_not_known_counts_as_a_stranger():
    looks, asked, known = towards(0.6), towards(0.9), torch.tensor([False])
    identity, away = identity_losses(looks, asked, OWN, SWAPPED, known=known)
    assert identity.item() == 0
    assert away.item() == pytest.approx(0.6)
    assert identity_losses(towards(-0.2), asked, OWN, SWAPPED, known=known)[1].item() == 0
    assert identity_losses(looks, asked, OWN, SWAPPED, known=~known) == identity_losses(
        looks, asked, OWN, SWAPPED
    )


def labels() -> torch.Tensor:
    """Skin with two small eyes, on hair, and background that no loss looks at."""
    found = torch.full((1, 32, 32), PARTS.index("hair"))
    found[:, 8:28, 6:26] = PARTS.index("skin")
    found[:, 14:16, 10:12] = found[:, 14:16, 20:22] = PARTS.index("eyes")
    found[:, :4] = PARTS.index("background")
    return found


def view(parts: torch.Tensor, sure: float = 6.0) -> torch.Tensor:
    """Logits of a parser that sees these parts."""
    return sure * F.one_hot(parts, len(PARTS)).permute(0, 3, 1, 2).float()


def test_small_parts_count_as_much_as_large_ones():
    blind = labels()
    blind[blind == PARTS.index("eyes")] = PARTS.index("skin")  # eyes are shut
    bald = labels()
    bald[bald == PARTS.index("skin")] = PARTS.index("hair")
    inside = torch.ones(1, 32, 32, dtype=torch.bool)
    right, no_eyes, no_skin = (
        parsing_loss(view(seen), labels(), inside).item() for seen in (labels(), blind, bald)
    )
    hit = np.log(1 + 12 * np.exp(-6))
    assert right == pytest.approx(hit, rel=1e-4)
    assert no_eyes == pytest.approx(hit + 6 / 3, rel=1e-3) and no_skin == pytest.approx(hit + 6 / 3, rel=1e-3)


def test_what_is_not_parsed_or_not_real_does_not_count():
    inside = torch.ones(1, 32, 32, dtype=torch.bool)
    other = labels()
    other[:, :4] = PARTS.index("hat")
    assert parsing_loss(view(other), labels(), inside) == parsing_loss(view(labels()), labels(), inside)
    other[:, 28:] = PARTS.index("hat")
    assert parsing_loss(view(other), labels(), inside) > parsing_loss(view(labels()), labels(), inside)
    inside[:, 28:] = False
    assert parsing_loss(view(other), labels(), inside) == parsing_loss(view(labels()), labels(), inside)
    logits = view(labels()).requires_grad_()
    nothing = parsing_loss(logits, torch.full((1, 32, 32), PARTS.index("cloth")), inside)
    nothing.backward()
    assert nothing.item() == 0 and "cloth" not in PARSED


def test_the_parser_may_look_at_another_size():
    inside = torch.ones(1, 32, 32, dtype=torch.bool)
    large = F.interpolate(view(labels()), scale_factor=4, mode="nearest")
    assert parsing_loss(large, labels(), inside).item() < 0.3


@pytest.mark.parametrize("side", [32, 64, 128])
def test_components_lie_in_their_crops(side):
    places = torch.arange(side * side).view(1, 1, side, side).expand(1, 3, -1, -1)
    eyes, mouth = (set(component(places, name).flatten().tolist()) for name in ("eyes", "mouth"))
    for x, y in (TEMPLATE[:4] * side).astype(int):
        assert y * side + x in eyes
    assert int(0.78 * side) * side + side // 2 in mouth and not eyes & mouth


def test_squares_are_means_or_sums():
    a, b = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 2.0)
    assert squared_distance(a, b, sums=False).tolist() == [2, 2] and squared_distance(
        a, b, sums=True
    ).tolist() == [96, 96]


def patch(left: int) -> torch.Tensor:
    """A grey picture with a square of black and white dots, 8 px wide."""
    picture = torch.zeros(1, 3, 32, 32)
    picture[..., 12:20, left : left + 8] = 2 * ((torch.arange(8)[:, None] + torch.arange(8)) % 2).float() - 1
    return picture


def test_texture_may_move_with_a_part_and_arise_nowhere_else():
    photo, near, far = patch(8), patch(12), patch(22)
    assert texture_loss(near, photo).max().item() < 1e-6
    assert texture_loss(far, photo)[..., 22:30].mean().item() > 0.02
    assert texture_loss(torch.zeros_like(photo), photo).max() == 0
    brighter = (photo * 0.5 + 0.4).requires_grad_()
    texture_loss(brighter, photo).sum().backward()
    assert (brighter.grad == 0).all()


def test_shape_costs_no_colour_and_complexion_does():
    photo = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    shape = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    assert colour_loss(photo + shape, photo).max().item() < 1e-12
    red = photo + torch.tensor([0.2, -0.1, -0.1]).view(1, 3, 1, 1)
    assert colour_loss(red, photo).mean().item() == pytest.approx(0.5 * (0.2**2 + 2 * 0.1**2) / 3, rel=1e-4)
