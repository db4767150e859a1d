# SPDX-License-Identifier: Apache-2.0
"""Values reported in [LDP], clip bounds and methods, shared by the results of latent-dp."""

from functools import partial

from semveil.experiments.kit.experiment import experiment
from semveil.experiments.kit.latent_bench import LatentBench
from semveil.experiments.kit.latent_presets import LATENT_PRESETS
from semveil.methods.latent_dp import LatentDP

# Values from the paper's text; nothing is read off its curves, which are not printed as numbers.
PAPER = {
    "source": "read from the text of [LDP] Sections 3.2 and 4.2; null where it gives no number",
    "latent_shape": [18, 512], "photos_for_quantiles": 3500, "fig4_clips": [0, 15, 30],
    "fig6_epsilon": [1, 5000], "fig6_clips": [0, 10], "fig7_clips": [12.5, 25], "fig7_epsilon": None,
    "fig8_clips": [0, 10, 25, 40], "ssim": None, "psnr": None, "fid": None,
    "best_guess_between_two_at_epsilon_1": 0.75,
}  # fmt: skip
result_of_paper = partial(experiment, presets=LATENT_PRESETS, paper=PAPER)
FACES = 0.5  # detection rate that counts as "shows a human face"


def bounds(clip: float) -> str:
    """Display name of clip bounds.

    Args:
        clip: percentage of public latents below the lower bound, and above the upper one.
    """
    return f"{clip:g}/{100 - clip:g} %"


def method_of(bench: LatentBench, clip: float, epsilon: float | None) -> LatentDP:
    """latent-dp with uniform weights, as the paper splits its budget, or with clipping only.

    Args:
        bench: provides the model.
        clip: as for `bounds`.
        epsilon: of the whole picture; None for clipping without noise.
    """
    if epsilon is None:
        return LatentDP(bench.model, clip=clip, mechanism="none")
    return LatentDP(bench.model, clip=clip, epsilon=epsilon)
