# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # A generator of your own
#
# `dp-image` and `latent-dp` take any generator as a `LatentModel`: an encoding and a decoding function,
# public bounds, and a source of public latents. No base class is needed. This example is as small as
# possible: principal components ("eigenfaces") of random faces from the bundled generator, so fitting
# needs no photo of a real person.

# %%
import hashlib
from functools import cache

import torch
from skimage.data import astronaut
from torch import Tensor

import semveil
from semveil.mechanisms import ClipBox
from semveil.methods.latent_model import LatentModel
from semveil.metrics import psnr
from semveil.models.quantile_bounds import QuantileBounds

COMPONENTS = 24
faces = semveil.load_model("faces-128")
rng = torch.Generator().manual_seed(0)
with torch.inference_mode():
    drawn = faces.generator.synthesize(faces.public_latents(300, rng=rng)).clamp(-1, 1)
flat = drawn.flatten(1).clone()
mean = flat.mean(0)
_, spread, axes = torch.pca_lowrank(flat - mean, COMPONENTS, center=False)
deviations = spread / len(flat) ** 0.5  # (COMPONENTS,)


def encode(images: Tensor) -> Tensor:
    """(B, 3, 128, 128) -> (B, 1, COMPONENTS), in standard deviations."""
    return ((images.flatten(1) - mean) @ axes / deviations)[:, None]


def synthesize(latents: Tensor) -> Tensor:
    """(B, 1, COMPONENTS) -> (B, 3, 128, 128)."""
    return (mean + (latents[:, 0] * deviations) @ axes.T).unflatten(1, (3, 128, 128))


# %% [markdown]
# **Bounds and public latents must not come from the photos that are protected**, or the claim is void.
# Here they come from a standard normal law, which is public. Certificates contain the digest, which
# identifies the generator.


# %%
def public_latents(count: int, rng: torch.Generator) -> Tensor:
    """Latents (count, 1, COMPONENTS) of random faces.

    Args:
        count: number of latents.
        rng: source of the samples.
    """
    return torch.randn(count, 1, COMPONENTS, generator=rng)


eigenfaces = LatentModel(
    name="eigenfaces",
    digest=hashlib.sha256(axes.numpy().tobytes() + mean.numpy().tobytes()).hexdigest(),
    size=128,
    latent_shape=(1, COMPONENTS),
    encode=encode,
    perceptual=None,
    synthesize=synthesize,
    box=ClipBox(-3.0, 3.0, source="three deviations of a standard normal law"),
    bounds=cache(
        lambda: QuantileBounds.fit(public_latents(3500, torch.Generator().manual_seed(0)), of="normal draws")
    ),
    identity_codes=(0,),
    groups={"all": (0,)},
    public_latents=public_latents,
)

# %% [markdown]
# Methods accept it in place of a model's name.

# %%
photo = semveil.load_faces([astronaut()]).images
for epsilon in (24.0, 240.0, 24_000.0):
    release = semveil.load_method("dp-image", model=eigenfaces, epsilon=epsilon).protect(photo)
    kept = psnr(release.images.clamp(-1, 1), synthesize(encode(photo)).clamp(-1, 1)).item()
    print(
        f"epsilon {release.guarantee.epsilon:g} ({release.guarantee.basis.value}): {kept:.1f} dB of what the "
        "generator can show"
    )
