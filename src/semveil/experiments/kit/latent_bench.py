"""What a run of dp-image's or latent-dp's figures works on: latent model, recogniser, photos and their latents."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semveil.core.digests import digest_of_tensors
from semveil.core.pixels import to_pixels, to_tensor
from semveil.core.registry import Registry
from semveil.experiments.dp_semcom.protected import Progress
from semveil.experiments.kit.keeping import Keep, Kept, Measurement, metric_weights
from semveil.experiments.kit.latent_presets import LatentPreset
from semveil.experiments.kit.photo_sets import ORDER_SEED, DataMissing, PhotoSet, astronaut, held_out_photos
from semveil.experiments.kit.set_distance import SetFeatures
from semveil.methods.face_model import box_as_dict, load_model
from semveil.methods.inversion_cache import cached_inversion
from semveil.methods.latent_model import STYLEGAN2, LatentModel, from_face_model, load_latent_model
from semveil.recognition.by_name import Remembering, load_verifier
from semveil.recognition.verifier import Verifier

PICTURES = "images"  # folder beside the JSON
Invert = Callable[[Tensor], tuple[Tensor, dict[str, Any]]]


@dataclass(frozen=True)
class Experiment:
    """One kind of run.

    Attributes:
        measurement: its name and revision.
        body: measures; may write pictures into the folder, and keep cells.
        photos: how many it takes, from the preset.
        shows: whether its figures show the photos, which then may be public ones in any preset.
    """

    measurement: Measurement
    body: Callable[["LatentBench", Path, Progress, Keep], dict[str, Any]]
    photos: Callable[[LatentPreset], int]
    shows: bool = False


@dataclass(frozen=True, eq=False)
class LatentBench:
    """Everything that a run needs, loaded, and how results describe it.

    Attributes:
        latents: (N, K, D) of the photos, not clipped.
        invert: crops -> latents and how they were made, from the cache where they were inverted before.
        features: that Frechet distances compare.
    """

    preset: LatentPreset
    model: LatentModel
    verifier: Verifier
    photos: PhotoSet
    latents: Tensor
    invert: Invert
    features: SetFeatures
    config: Mapping[str, Any]

    @property
    def coordinates(self) -> int:
        """Numbers in one photo's latents."""
        codes, style_dim = self.model.latent_shape
        return codes * style_dim


def run(
    name: str,
    experiments: Registry[Experiment],
    preset: LatentPreset,
    out: Path,
    *,
    paper: Mapping[str, Any],
    data: Path | None,
    model: str | None,
    verifier: str | None,
    progress: Progress,
) -> Path:
    """Run one kind of experiment and write its JSON, or keep the one that lies there, see `keeping`.

    Args:
        name: such as `dp-image/identity`; the JSON is named after its last part.
        paper: what the paper's text says.

    Returns:
        The JSON.
    """
    kind = name.rpartition("/")[2]
    experiment = experiments[kind]
    bench = _prepare(experiment, preset, data=data, model=model, verifier=verifier, progress=progress)
    path = Path(out) / f"{kind}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {"seeds": [preset.seed], "paper": dict(paper), "photos": list(bench.photos.ids)}
    kept = Kept(path, experiment.measurement, config=bench.config, head=head)
    return kept.whole(lambda keep: experiment.body(bench, path.parent, progress, keep))


def _prepare(
    experiment: Experiment,
    preset: LatentPreset,
    *,
    data: Path | None,
    model: str | None,
    verifier: str | None,
    progress: Progress,
) -> LatentBench:
    """Load what the run needs."""
    loaded, invert = _load(model or preset.model, preset.perceptual, progress)
    judge, judge_card = load_verifier(verifier or preset.verifier, resolution=loaded.size)
    photos = _photos(experiment, preset, data, loaded, progress)
    latents, inversion = invert(photos.images)
    features = SetFeatures.load()
    config = {
        "preset": preset.as_dict(),
        "model": {
            "name": loaded.name,
            "digest": loaded.digest,
            "latent_shape": list(loaded.latent_shape),
            "clip_box": box_as_dict(loaded.box),
            "bounds": loaded.bounds().digest,
            "prior": digest_of_tensors([loaded.public_latents(4, torch.Generator().manual_seed(0))]),
        },
        "verifier": judge_card,
        "features": features.names,
        "metric_weights": metric_weights(),
        "photos": {"description": photos.description, "count": len(photos.ids), "digest": photos.digest},
        "photos_may_be_shown": photos.public,
        "inversion": inversion,
    }
    return LatentBench(preset, loaded, Remembering(judge), photos, latents, invert, features, config)


def _load(name: str, perceptual: str | None, progress: Progress) -> tuple[LatentModel, Invert]:
    """A latent model, and how photos become latents, which are kept where that takes an optimisation."""
    if name == STYLEGAN2:
        model = load_latent_model(name, perceptual=perceptual)
        return model, lambda images: (model.encode(images), {"encoder": "pSp, without optimisation"})
    face = load_model(name)

    def invert(images: Tensor) -> tuple[Tensor, dict[str, Any]]:
        tick = lambda done, total: progress("invert", done, total)  # noqa: E731
        return cached_inversion(face, images, perceptual=perceptual, progress=tick)

    return from_face_model(face, perceptual), invert


def _photos(
    experiment: Experiment, preset: LatentPreset, data: Path | None, model: LatentModel, progress: Progress
) -> PhotoSet:
    count = experiment.photos(preset)
    if data is not None:
        return held_out_photos(Path(data), model, count, progress=lambda done, total: progress("prepare photos", done, total))
    if preset.needs_data and not experiment.shows:
        raise DataMissing(
            f"preset {preset.name} measures {count} held-out photos; name them with --data (a prepared .npz, a folder with "
            "celebamask_hq and lfw, or CelebAMask-HQ's own folder), or take --preset smoke, which needs none"
        )
    images = to_tensor([astronaut(model.size)])
    if count > 1:
        codes = model.public_latents(count - 1, torch.Generator().manual_seed(ORDER_SEED))
        images = torch.cat([images, to_tensor(to_pixels(model.synthesize(codes)))])
    ids = ("astronaut", *(f"generated {i}" for i in range(1, count)))
    text = "the astronaut of scikit-image" + (f" and {count - 1} faces that the model generated" if count > 1 else "")
    return PhotoSet(images, ids, text, public=True)
