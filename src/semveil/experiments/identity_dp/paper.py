# SPDX-License-Identifier: Apache-2.0
"""Values from the text and Tables I to III of [IDP].

Nothing is read off its curves, which are not printed as numbers.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any, Final

from semveil.experiments.identity_dp.presets import FACENETS, IDENTITY_PRESETS
from semveil.experiments.kit.experiment import experiment

COLUMNS = (*(f"identity_distance {name}" for name in FACENETS), "psr", "psnr", "ssim", "face_detected")


def _settings(**amounts: tuple[float, float]) -> list[tuple[str, float]]:
    return [(method, amount) for method, both in amounts.items() for amount in both]


# Traditional methods of Table I and Fig. 7; amounts in pixels (at 256 px) or levels.
TABLE_AMOUNTS = _settings(pixelization=(8.0, 16.0), noise=(9.0, 49.0), blur=(7.0, 19.0))
FIGURE_AMOUNTS = _settings(pixelization=(4.0, 8.0), noise=(9.0, 18.0), blur=(8.0, 16.0))


def _rows(columns: Iterable[str], *rows: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(("method", "setting", *columns), values, strict=True)) for values in rows]


PAPER: Final[dict[str, Any]] = {
    "source": "as reported by [IDP]: Tables I to III and the text of Section V; "
    "null where they give no number",
    "psr": {"0.01": 0.97367, "800": 0.01125},
    "psr_by": "Microsoft Azure Face, as it was then",
    "epsilon_recommended": [0.5, 7],
    "identity_distance": None,
    "seconds_per_image": 0.329,
    "seconds_per_image_on": "an NVIDIA GTX 1080 Ti, 256 px",
    "facenet_accuracy_lfw": {"facenet-casia": 0.9905, "facenet-vggface2": 0.9965},
    "table1": _rows(
        COLUMNS,
        ("pixelization", "8 x 8", 0.8646, 0.8993, 0, 26.735, 0.7671, 0.923),
        ("pixelization", "16 x 16", 1.1541, 1.2195, 0.017, 23.926, 0.7223, 0.058),
        ("noise", "sigma 9", 0.3317, 0.2723, 0.002, 23.831, 0.8312, 0.986),
        ("noise", "sigma 49", 1.1267, 1.0280, 0.012, 14.370, 0.5533, 0.425),
        ("blur", "7 x 7", 0.8491, 0.8380, 0, 27.405, 0.806, 0.888),
        ("blur", "19 x 19", 1.1102, 1.1857, 0.669, 24.829, 0.7719, 0.518),
        ("DeepPrivacy", "", 1.0860, 1.1829, 0.961, 21.012, 0.7808, 0.989),
        ("Fawkes", "", 0.7267, 0.8585, 0, 35.898, 0.9487, 0.985),
        ("identity-dp", "epsilon 6", 1.1403, 1.2012, 0.908, 24.640, 0.8606, 0.997),
        ("identity-dp", "epsilon 0.57", 1.1644, 1.2307, 0.967, 23.909, 0.8519, 0.997),
    ),
    "table2": _rows(
        COLUMNS,
        ("AnonymousNet", "", 0.8896, 1.0589, 0.295, 18.892, 0.7192, 0.892),
        ("CIAGAN", "", 0.8155, 1.0271, 0.945, 21.863, 0.7401, 0.958),
        ("identity-dp", "epsilon 6", 0.9345, 1.0918, 0.905, 23.353, 0.8188, 0.986),
        ("identity-dp", "epsilon 0.57", 0.9622, 1.1176, 0.961, 22.7639, 0.8005, 0.987),
    ),
    "table3": _rows(
        (*FACENETS, "fid"),
        ("original", "", [0.965, 0.016], [0.986, 0.010], 0.0),
        ("AnonymousNet", "", [0.037, 0.015], [0.044, 0.016], 6.8479),
        ("DeepPrivacy", "", [0.029, 0.012], [0.039, 0.014], 2.7122),
        ("CIAGAN", "", [0.019, 0.008], [0.034, 0.015], 2.1756),
        ("Fawkes", "", [0.898, 0.010], [0.917, 0.012], 1.2681),
        ("identity-dp", "epsilon 6", [0.019, 0.010], [0.031, 0.015], 2.0201),
        ("identity-dp", "epsilon 0.57", [0.016, 0.011], [0.024, 0.014], 2.0401),
    ),
}
"""`table1` is on CelebA-HQ, `table2` on CelebA, `table3` on LFW.

True acceptance rates are mean and standard deviation over ten folds.
"""

result_of_paper = partial(experiment, revision=3, presets=IDENTITY_PRESETS, paper=PAPER)
