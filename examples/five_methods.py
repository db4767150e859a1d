# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # All five methods on one portrait
#
# Draws the picture at the top of the README: `python examples/five_methods.py
# docs/images/five-methods.png`. The noise is new each time, so no two pictures are alike. The portrait is
# the one in scikit-image (NASA, public domain).

# %%
import sys
from pathlib import Path

from matplotlib.figure import Figure
from skimage.data import astronaut
from torch import Tensor

import semveil
from semveil.faces.pixels import to_pixels

out = Path(sys.argv[1] if len(sys.argv) > 1 else "five-methods.png")
face = semveil.load_faces([astronaut()]).images  # (1, 3, 128, 128) in [-1, 1]
sent = semveil.load_method("dp-semcom", protection="rotation").transmit(face, snr_db=20.0)


def protected(method: str, *, size: int = 128, **options: object) -> Tensor:
    """(1, 3, S, S) of a picture method, whose networks have a size of their own.

    Args:
        method: by name.
        size: side S in pixels.
        **options: of the method.
    """
    photo = semveil.load_faces([astronaut()], size=size).images
    return semveil.protect(photo, method=method, **options).images


pictures = {
    "photo\naligned, 128 px": face,
    "dp-semcom: Bob\nwith the key": sent.bob,
    "dp-semcom: Eve\nwithout the key": sent.eve,
    "dp-image\nε 16, whole face": protected(
        "dp-image", subspace=16, residual="draw", noise="privunit-g", epsilon=16.0
    ),
    "latent-dp\nε 4, whole face": protected(
        "latent-dp", subspace=16, residual="draw", mechanism="nearest", epsilon=4.0
    ),
    "identity-dp\nε 1, identity only": protected("identity-dp", size=128, epsilon=1.0),
    "noise-image\nno guarantee": protected("noise-image", size=32),
    "blur, for comparison\nno guarantee": semveil.protect(face, method="blur", size=128, sigma=8.0).images,
}

# %%
figure = Figure(figsize=(6.6, 4.3), layout="constrained")
for axes, (caption, images) in zip(figure.subplots(2, 4).flat, pictures.items(), strict=True):
    axes.imshow(to_pixels(images)[0], interpolation="bicubic")
    axes.set_title(caption, fontsize=10)
    axes.set_axis_off()
out.parent.mkdir(parents=True, exist_ok=True)
figure.savefig(out, dpi=130, metadata={"Software": None})
print(out)
