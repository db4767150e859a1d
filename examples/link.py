# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # The link in Python
#
# Alice sends a photo over a noisy channel; Bob has the key, Eve does not. First come three parties that
# share one file, then all three in one call.

# %%
from pathlib import Path

from PIL import Image
from skimage.data import astronaut

import semveil
from semveil.faces.pixels import to_pixels
from semveil.keys import Secret, write_secret
from semveil.metrics import psnr

Image.fromarray(astronaut()).save("portrait.png")
if not Path("link.key").exists():  # keys are never overwritten
    # what `semveil keygen` does: 256 random bits, readable by you alone
    write_secret("link.key", Secret.generate())

# %% [markdown]
# A key can be reused, but a message can be read only once: Bob's second attempt to read the same message
# is refused as a replay.

# %%
sent = semveil.send("portrait.png", "message.svl", key="link.key")
print(sent.certificate.guarantee.summary())
bob = semveil.receive("message.svl", key="link.key", snr_db=20.0)
eve = semveil.eavesdrop("message.svl", snr_db=20.0)

# %% [markdown]
# Bob's and Eve's pictures compared with the face that Alice encoded:

# %%
face = semveil.load_faces("portrait.png").images
for party, images in {"bob": bob.images, "eve": eve.images}.items():
    print(f"{party}: {psnr(images, face).item():.1f} dB")
    Image.fromarray(to_pixels(images)[0]).save(f"{party}.png")

# %% [markdown]
# `transmit` simulates all three parties and measures the result. Here Eve has a better channel than Bob,
# but without the key it does not help her.

# %%
result = semveil.transmit(face, protection="rotation", snr_db=10.0, eve_snr_db=30.0, seed=0)
print(f"bob {psnr(result.bob, face).item():.1f} dB, eve {psnr(result.eve, face).item():.1f} dB")
print(result.certificate.guarantee.summary())
