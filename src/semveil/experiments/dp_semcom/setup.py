# SPDX-License-Identifier: Apache-2.0
"""Set-up of a run of dp-semcom: model, recogniser, photos, latents and pairs, loaded and described."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from semveil.core.model_folders import OFFICIAL_MODEL
from semveil.core.progress import Progress, quiet
from semveil.core.rng import streams
from semveil.experiments.kit.experiment import Run, presets
from semveil.experiments.kit.inputs import as_json, photos_to_measure
from semveil.experiments.kit.keeping import face_model_card, metric_weights
from semveil.experiments.kit.photo_sets import PhotoSet, public_photos
from semveil.methods.dp_semcom import PAPER_EPSILONS, DPSemCom, pair_settings
from semveil.methods.pairs import pair_digest
from semveil.models.face import DEFAULT_MODEL, FaceModel, load_model
from semveil.models.inversion_cache import cached_inversion
from semveil.recognition.by_name import Remembering, load_verifier
from semveil.recognition.verifier import Verifier
from semveil.training.protector import find_or_train_pair

PICTURED_EPSILONS = (1, 10, 15, 300, 800)  # [DPSC] Figs. 5 and 6


@dataclass(frozen=True)
class Preset:
    """Size of a run of dp-semcom's figures; the defaults are those of `small`.

    Attributes:
        name: name of the preset.
        model: default face model.
        verifier: default recogniser.
        photos: number of photos measured for Figs. 3 and 4 and the noise comparison.
        needs_data: whether these must be held-out photos; otherwise, without data, the astronaut and
            generated faces are used.
        epsilons: nominal epsilons of Figs. 3 and 4.
        pictured: number of photos in Figs. 5 and 6.
        pictured_epsilons: nominal epsilons of Figs. 5 and 6.
        noise_epsilons: nominal epsilons of the noise comparison.
        seeds: seeds of the channel; Bob's, Eve's and the direct link's noise are named streams of each.
        snr_db: SNR of Bob's and Eve's channels.
        perceptual: perceptual term of the inversion; None for the model's own.
        measured_box: measure the model's clip box, which is otherwise a guess for the official weights.
    """

    name: str
    model: str = DEFAULT_MODEL
    verifier: str = "dlib"
    photos: int = 128
    needs_data: bool = True
    epsilons: tuple[float, ...] = PAPER_EPSILONS
    pictured: int = 3
    pictured_epsilons: tuple[float, ...] = PICTURED_EPSILONS
    noise_epsilons: tuple[float, ...] = (10, 800)
    seeds: tuple[int, ...] = (0, 1, 2)
    snr_db: float = 20.0
    perceptual: str | None = None
    measured_box: bool = False


PRESETS = presets(
    Preset(
        name="smoke", photos=4, needs_data=False, epsilons=(1, 800), pictured=1, pictured_epsilons=(1, 800),
        noise_epsilons=(10,), seeds=(0,),
    ),
    Preset("small"),
    # The paper does not give the number of test photos. The official generator was not trained on the last
    # 2,000; 500 of them fit into 2 GB at 512 px. Its inversion is dominated by LPIPS(VGG), which is therefore
    # required.
    Preset(
        name="paper", model=OFFICIAL_MODEL, verifier="arcface", photos=500, perceptual="lpips",
        measured_box=True,
    ),
)  # fmt: skip
VARIANTS = tuple((noise, start) for noise in ("frozen", "fresh") for start in ("default", "identity"))


@dataclass(frozen=True, eq=False)
class Setup:
    """Loaded inputs of a run.

    Attributes:
        preset: run size.
        model: face model.
        verifier: caching recogniser.
        photos: photos to measure.
        codes: (N, K, D) latents of the photos, clipped.
        methods: methods by name.
        config: description of all inputs, JSON-ready.
    """

    preset: Preset
    model: FaceModel
    verifier: Verifier
    photos: PhotoSet
    codes: Tensor
    methods: dict[str, DPSemCom]
    config: dict[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        return {"seeds": list(self.preset.seeds), "photos": list(self.photos.ids)}


def prepare_run(kind: str, run: Run) -> Setup:
    """Load the inputs of a run: model, recogniser, photos, latents and pairs; missing pairs are trained.

    Args:
        kind: `curves`, `noise` or `images`.
        run: the run; its preset is a `Preset`.
    """
    preset: Preset = run.preset
    loaded = load_model(run.model or preset.model)
    if preset.measured_box:
        loaded = loaded.with_measured_box()
    recogniser, recogniser_info = load_verifier(run.verifier or preset.verifier, resolution=loaded.size)
    shows = kind == "images"
    count = preset.pictured if shows else preset.photos
    photos = photos_to_measure(run, loaded, count, partial(public_photos, loaded, count), shows=shows)
    tick = partial(run.progress, "invert")
    codes, inversion = cached_inversion(loaded, photos.images, perceptual=preset.perceptual, progress=tick)
    methods = _methods(kind, preset, loaded, run.progress)
    config: dict[str, Any] = {
        "preset": as_json(preset),
        "model": face_model_card(loaded),
        "verifier": recogniser_info,
        "metric_weights": metric_weights(),
        "photos": photos.as_dict(),
        "inversion": inversion,
        "private_codes": list(DPSemCom(loaded, protection="none").private_codes),
        "calibration": "as_published",
        "snr_db": preset.snr_db,
        "pairs": {name: pair_digest(method.pair) for name, method in methods.items() if method.pair},
    }
    return Setup(preset, loaded, Remembering(recogniser), photos, loaded.box.clip(codes), methods, config)


def _methods(kind: str, preset: Preset, model: FaceModel, progress: Progress) -> dict[str, DPSemCom]:
    trained = partial(protected_method, model, progress=progress)
    if kind != "noise":
        epsilons = preset.epsilons if kind == "curves" else preset.pictured_epsilons
        return {f"{epsilon:g}": trained(epsilon) for epsilon in epsilons}
    genuine = partial(DPSemCom, model, calibration="as_published", protection="laplace")
    return {
        **{
            f"{epsilon:g} {noise} {start}": trained(epsilon, noise=noise, start=start)
            for epsilon in preset.noise_epsilons
            for noise, start in VARIANTS
        },
        **{f"{epsilon:g} laplace": genuine(epsilon=epsilon) for epsilon in preset.noise_epsilons},
    }


TRAINING_SEED = 0


def protected_method(
    model: FaceModel,
    epsilon: float,
    *,
    noise: str = "frozen",
    start: str = "default",
    progress: Progress = quiet,
) -> DPSemCom:
    """Return dp-semcom with the paper's pair for a nominal epsilon.

    The pair is bundled, cached, or trained with a fixed seed.

    Args:
        model: the face model.
        epsilon: nominal privacy budget, calibrated `as_published`.
        noise: target noise of the training, `frozen` or `fresh`.
        start: initialisation of the networks, `default` or `identity`.
        progress: called with the epochs of a training.
    """
    settings = pair_settings(model, epsilon=epsilon, noise=noise, start=start)
    stage = f"train the pair for nominal epsilon {epsilon:g} ({noise} noise, {start} start)"
    rng, tick = streams(TRAINING_SEED)["train"], lambda epoch, epochs, loss: progress(stage, epoch, epochs)
    pair = find_or_train_pair(model, settings, rng=rng, progress=tick)
    return DPSemCom(model, epsilon=epsilon, pair=pair)
