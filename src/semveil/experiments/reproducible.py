"""Everything that `semveil reproduce` can run, by name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from semveil.core.registry import Registry
from semveil.experiments.competitors import reproduce_competitors
from semveil.experiments.dp_image import DP_IMAGE_FIGURES, reproduce_dp_image
from semveil.experiments.dp_semcom import FIGURES, reproduce
from semveil.experiments.identity_dp import IDENTITY_DP_FIGURES, reproduce_identity_dp
from semveil.experiments.identity_leak import reproduce_leak
from semveil.experiments.latent_dp import LATENT_DP_FIGURES, reproduce_latent_dp
from semveil.experiments.link_bandwidth import reproduce_bandwidth, reproduce_cliff
from semveil.experiments.link_channels import reproduce_channels, reproduce_snr
from semveil.experiments.link_mismatch import reproduce_mismatch
from semveil.experiments.noise_image import NOISE_IMAGE_FIGURES, reproduce_noise_image
from semveil.experiments.security import reproduce_security
from semveil.experiments.usefulness import reproduce_usefulness

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
