"""Everything that `semveil reproduce` can run, by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from semveil.core.registry import Registry
from semveil.experiments.all_methods.usefulness import reproduce_usefulness
from semveil.experiments.dp_image.runs import DP_IMAGE_FIGURES, reproduce_dp_image
from semveil.experiments.dp_semcom.bandwidth import reproduce_bandwidth, reproduce_cliff
from semveil.experiments.dp_semcom.channels import reproduce_channels, reproduce_snr
from semveil.experiments.dp_semcom.competitors import reproduce_competitors
from semveil.experiments.dp_semcom.mismatch import reproduce_mismatch
from semveil.experiments.dp_semcom.runs import FIGURES, reproduce
from semveil.experiments.dp_semcom.security import reproduce_security
from semveil.experiments.identity_dp.leak import reproduce_leak
from semveil.experiments.identity_dp.runs import IDENTITY_DP_FIGURES, reproduce_identity_dp
from semveil.experiments.latent_dp.runs import LATENT_DP_FIGURES, reproduce_latent_dp
from semveil.experiments.noise_image.runs import NOISE_IMAGE_FIGURES, reproduce_noise_image

EXPERIMENTS: Registry[Callable[..., Path]] = Registry("experiment")
"""Called with preset and folder, and by keyword data, model, verifier and progress; gives the figure's path."""

for _figure in FIGURES:
    EXPERIMENTS.add(_figure, partial(reproduce, _figure))
EXPERIMENTS.add("dp-semcom/security", reproduce_security)
EXPERIMENTS.add("dp-semcom/channels", reproduce_channels)
EXPERIMENTS.add("dp-semcom/snr", reproduce_snr)
EXPERIMENTS.add("dp-semcom/bandwidth", reproduce_bandwidth)
EXPERIMENTS.add("dp-semcom/cliff", reproduce_cliff)
EXPERIMENTS.add("dp-semcom/mismatch", reproduce_mismatch)
EXPERIMENTS.add("dp-semcom/competitors", reproduce_competitors)
for _figure in DP_IMAGE_FIGURES:
    EXPERIMENTS.add(_figure, partial(reproduce_dp_image, _figure))
for _figure in LATENT_DP_FIGURES:
    EXPERIMENTS.add(_figure, partial(reproduce_latent_dp, _figure))
for _figure in IDENTITY_DP_FIGURES:
    EXPERIMENTS.add(_figure, partial(reproduce_identity_dp, _figure))
for _figure in NOISE_IMAGE_FIGURES:
    EXPERIMENTS.add(_figure, partial(reproduce_noise_image, _figure))
EXPERIMENTS.add("identity-dp/leak", reproduce_leak)
EXPERIMENTS.add("all-methods/usefulness", reproduce_usefulness)
