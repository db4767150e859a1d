# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # Protect a batch of photos
#
# Faces are detected, aligned and protected together, and each gets a certificate. The portrait comes with
# scikit-image (NASA, public domain); replace it with your own photos.

# %%
from pathlib import Path

from PIL import Image
from skimage.data import astronaut

import semveil

portrait = astronaut()  # (512, 512, 3) uint8, RGB
faces = semveil.load_faces([portrait, portrait[:, ::-1]], names=["portrait", "mirrored"])
print(faces.ids, tuple(faces.images.shape))  # aligned faces (B, 3, 128, 128) in [-1, 1]

# %% [markdown]
# `dp-image` adds noise to the latent codes of a face. In a subspace of 16 numbers, a budget of 16 covers
# the whole crop.

# %%
made = semveil.protect(faces, method="dp-image", subspace=16, noise="privunit-g", epsilon=16.0)
for name, certificate in zip(made.ids, made.certificates, strict=True):
    print(f"{name}: {certificate.guarantee.summary()}")

# %% [markdown]
# The same for files: pictures and certificates go into a folder that mirrors the input. A second run
# resumes an interrupted one and does no work twice.

# %%
Image.fromarray(portrait).save("portrait.png")
done = semveil.protect("portrait.png", "protected", method="identity-dp", epsilon=6.0)
print(done.protected, "photo:", ", ".join(sorted(path.name for path in Path("protected").glob("portrait*"))))
