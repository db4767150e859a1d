"""What a run of dp-semcom's figures works on: model, recogniser, photos, latents and pairs, loaded and described."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from semveil.core.progress import Progress
from semveil.experiments.dp_semcom.presets import Preset
from semveil.experiments.dp_semcom.protected import protected_method
from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.inputs import as_json
from semveil.experiments.kit.keeping import face_model_card, metric_weights
from semveil.experiments.kit.photo_sets import DataMissing, PhotoSet, held_out_photos, public_photos
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.face_model import FaceModel, load_model
from semveil.methods.inversion_cache import cached_inversion
from semveil.methods.pairs import pair_digest
from semveil.recognition.by_name import Remembering, load_verifier
from semveil.recognition.verifier import Verifier

VARIANTS = tuple((noise, start) for noise in ("frozen", "fresh") for start in ("default", "identity"))


@dataclass(frozen=True, eq=False)
class Setup:
    """What a run works on: the preset with everything that it names, loaded; and how results describe it."""

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


def load(kind: str) -> Callable[[Run], Setup]:
    """How a kind of run loads what it needs: `curves`, `noise` or `images`."""
    return lambda run: prepare_run(
        kind, run.preset, data=run.data, model=run.model, verifier=run.verifier, progress=run.progress
    )


def prepare_run(
    kind: str, preset: Preset, *, data: Path | None, model: str | None, verifier: str | None, progress: Progress
) -> Setup:
    """Load everything that a run needs: model, recogniser, photos, their latents, the pairs (trained where missing)."""
    loaded = load_model(model or preset.model)
    if preset.measured_box:
        loaded = loaded.with_measured_box()
    recogniser, recogniser_info = load_verifier(verifier or preset.verifier, resolution=loaded.size)
    photos = _photos(kind, preset, data, loaded, progress)
    plain = DPSemCom(loaded, protection="none")
    codes, inversion = cached_inversion(
        loaded, photos.images, perceptual=preset.perceptual, progress=lambda done, total: progress("invert", done, total)
    )
    methods = _methods(kind, preset, loaded, progress)
    config: dict[str, Any] = {
        "preset": as_json(preset),
        "model": face_model_card(loaded),
        "verifier": recogniser_info,
        "metric_weights": metric_weights(),
        "photos": photos.as_dict(),
        "inversion": inversion,
        "private_codes": list(plain.private_codes),
        "calibration": "as_published",
        "snr_db": preset.snr_db,
        "pairs": {name: pair_digest(method.pair) for name, method in methods.items() if method.pair},
    }
    return Setup(preset, loaded, Remembering(recogniser), photos, loaded.box.clip(codes), methods, config)


def _photos(kind: str, preset: Preset, data: Path | None, model: FaceModel, progress: Progress) -> PhotoSet:
    count = preset.pictured if kind == "images" else preset.photos
    if data is not None:
        return held_out_photos(Path(data), model, count, progress=lambda done, total: progress("prepare photos", done, total))
    if preset.needs_data and kind != "images":
        raise DataMissing(
            f"preset {preset.name} measures {count} held-out photos; name them with --data (a prepared .npz, a folder with "
            "celebamask_hq and lfw, or CelebAMask-HQ's own folder), or take --preset smoke, which needs none"
        )
    return public_photos(model, count)


def _methods(kind: str, preset: Preset, model: FaceModel, progress: Progress) -> dict[str, DPSemCom]:
    if kind == "noise":
        trained = {
            f"{epsilon:g} {noise} {start}": protected_method(model, epsilon, noise=noise, start=start, progress=progress)
            for epsilon in preset.noise_epsilons
            for noise, start in VARIANTS
        }
        genuine = {
            f"{e:g} laplace": DPSemCom(model, epsilon=e, calibration="as_published", protection="laplace")
            for e in preset.noise_epsilons
        }
        return trained | genuine
    epsilons = preset.epsilons if kind == "curves" else preset.pictured_epsilons
    return {f"{epsilon:g}": protected_method(model, epsilon, progress=progress) for epsilon in epsilons}
