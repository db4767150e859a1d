# SPDX-License-Identifier: Apache-2.0
"""Values from the text and Table 1 of [DPI].

Nothing is read off its curves, which are not printed as numbers.
"""

from functools import partial

from semveil.experiments.kit.experiment import experiment
from semveil.experiments.kit.latent_presets import LATENT_PRESETS

PAPER = {
    "source": "read from the text and Table 1 of [DPI] Sections 4 and 5; null where they give no number",
    "latent_shape": [18, 512], "latent_range": [-20, 20], "pair_distance_mean": 10_000,
    "pair_distance_max": 17_995, "pair_distance_example_far": 14_446, "pair_distance_example_near": 2_998,
    "similarity_of_different_people_at_most": 0.31, "same_person_threshold_arcface": 0.3,
    "same_person_threshold_microsoft": 0.5, "iss": None, "fppsr": None,
    "most_identities_unchanged_at_scale": 0.2, "most_identities_changed_at_scale": 1.0,
    "table1": {
        method: dict(zip(("l2", "ald_inf", "ssim", "fid", "iss_arcface", "iss_microsoft"), row, strict=True))
        for method, row in (
            ("blur", (71_782.9, 1.1502, 0.5895, 265.8, 0.31, 0.20)),
            ("mosaic", (70_438.8, 1.1386, 0.5705, 377.5, 0.31, 0.47)),
            ("dp-image", (68_071.3, 1.2214, 0.3876, 219.9, 0.30, 0.46)),
        )
    },
}  # fmt: skip

result_of_paper = partial(experiment, presets=LATENT_PRESETS, paper=PAPER)
