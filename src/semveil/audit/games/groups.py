# SPDX-License-Identifier: Apache-2.0
"""Games for group photos: the crop of one face must not depend on a neighbouring face."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from semveil.audit import Fault, Floats, Game
from semveil.audit.target import Target, register_targets
from semveil.data.align import AlignedFace, align_face
from semveil.data.paste import align_apart, paste_faces
from semveil.faces.template import TEMPLATE
from semveil.privacy.guarantee import Basis, Guarantee

TARGET = "group-photo"
SIZE = 24  # of the crops, in pixels
APART = (0.75, 0.85)  # distance of two faces in crop sides; from .95 on they share no crop
SHARE = 0.0002
SIDE = 48  # of a crop, in pixels of the photo
_HEIGHT, _WIDTH = 88, 136


@register_targets(position=10)
def group_targets(model: str) -> dict[str, Target]:
    """Return the target for group photos.

    Args:
        model: not used.
    """
    return {TARGET: Target.without_epsilon(group_games)}


def group_games() -> list[Game]:
    """Return games on the left face's crop next to a dark or a bright face, at two distances."""
    return [_game(apart) for apart in APART]


def _game(apart: float) -> Game:
    here = TEMPLATE * SIDE + 20 - 0.5
    there = here + np.array([apart * SIDE, 0.0])
    rng = np.random.default_rng()

    def photo(world: int) -> NDArray[np.uint8]:
        """Noise everywhere, with a dark or a bright second face."""
        pixels = rng.integers(0, 256, (_HEIGHT, _WIDTH, 3), np.uint8)
        faces = [align_face(pixels, points, SIZE) for points in (here, there)]
        return paste_faces(pixels, faces, [None, np.full((SIZE, SIZE, 3), (20, 235)[world], np.uint8)])

    def draw(blanked: bool, world: int, count: int) -> Floats:
        crops = [_cut(photo(world), [here, there], blanked=blanked).pixels for _ in range(count)]
        return np.stack(crops).reshape(count, -1).astype(np.float64)

    columns = np.tile(np.arange(SIZE).repeat(3), SIZE)
    return Game(
        TARGET,
        f"neighbouring face {apart:g} crop sides away, dark or bright",
        Guarantee(0.0, "the face beside the one that the crop is of", Basis.PROVED),
        partial(draw, True),
        lambda outputs: {
            "brightness": outputs.mean(1),
            "brightness of the near side": outputs[:, columns >= SIZE * 0.75].mean(1),
        },
        faults=(Fault("neighbours not blanked", draw=partial(draw, False)),),
        width=_HEIGHT * _WIDTH * 3,
        share=SHARE,
    )


def _cut(photo: NDArray[np.uint8], landmarks: list[NDArray[np.float64]], *, blanked: bool) -> AlignedFace:
    return align_apart(photo, landmarks, SIZE)[0] if blanked else align_face(photo, landmarks[0], SIZE)
