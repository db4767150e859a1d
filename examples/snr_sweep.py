# SPDX-License-Identifier: Apache-2.0
# %% [markdown]
# # Sweep the SNR, with a plot
#
# Quality of Bob's and Eve's pictures over the signal-to-noise ratio of their channels. The photo is
# inverted once; only channel and receivers are repeated. Writes `sweep.png`.

# %%
from matplotlib.figure import Figure
from skimage.data import astronaut

import semveil
from semveil.metrics import psnr

method = semveil.load_method("dp-semcom", protection="rotation")
face = semveil.load_faces([astronaut()]).images
codes = method.invert(face).codes
snrs = list(range(-5, 31, 5))
curves = {"Bob, with the key": [], "Eve, without": []}
for snr_db in snrs:
    result = method.transmit(face, codes=codes, snr_db=float(snr_db), run=0)
    for name, images in zip(curves, (result.bob, result.eve), strict=True):
        curves[name].append(psnr(images, result.inverted).item())

# %%
figure = Figure(figsize=(6, 3.5), layout="constrained")
axes = figure.subplots()
for (name, values), colour, mark in zip(curves.items(), ("#0072B2", "#D55E00"), ("o", "s"), strict=True):
    axes.plot(snrs, values, color=colour, marker=mark, label=name)
axes.set(xlabel="SNR of the channel, dB", ylabel="PSNR to the encoded face, dB")
axes.grid(alpha=0.3)
axes.legend()
figure.savefig("sweep.png", dpi=150)
print({name: [round(value, 1) for value in values] for name, values in curves.items()})
