# SPDX-License-Identifier: Apache-2.0
"""Inputs of a run: held-out photos, recognisers, presets in JSON form."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from functools import partial
from typing import Any

from semveil.experiments.kit.experiment import Run
from semveil.experiments.kit.photo_sets import FIRST_TEST_PHOTO, DataMissing, PhotoSet, Sized, held_out_photos
from semveil.recognition.by_name import Remembering, load_verifier
from semveil.recognition.verifier import Verifier


def photos_to_measure(
    run: Run,
    model: Sized,
    count: int,
    public: Callable[[], PhotoSet],
    *,
    shows: bool = False,
    first_test_photo: int = FIRST_TEST_PHOTO,
) -> PhotoSet:
    """Return held-out photos if data is named or the preset needs it, otherwise public ones.

    Args:
        run: the run; its preset has `needs_data`.
        model: model that sets the size of the photos.
        count: maximum number of photos.
        public: returns the public photos.
        shows: whether figures show the photos; if so, public ones are accepted in any preset.
        first_test_photo: see `held_out_photos`.

    Raises:
        DataMissing: no data is named, or none of it is held out.
    """
    if run.data is None and (shows or not run.preset.needs_data):
        return public()
    if run.data is None:
        raise DataMissing(
            f"preset {run.preset.name} measures {count} held-out photos; name them with --data (a prepared "
            ".npz, a folder with celebamask_hq and lfw, or the folder of CelebAMask-HQ or CelebA-HQ), or "
            "take --preset smoke, which needs none"
        )
    tick = partial(run.progress, "prepare photos")
    return held_out_photos(run.data, model, count, first_test_photo=first_test_photo, progress=tick)


def recognisers(names: Iterable[str], size: int) -> tuple[dict[str, Verifier], dict[str, Any]]:
    """Return caching recognisers by name, and their descriptions for results.

    Args:
        names: keys of `semveil.recognition.by_name.VERIFIERS`.
        size: side of the images in pixels, for which the thresholds hold.
    """
    loaded = {name: load_verifier(name, resolution=size) for name in names}
    return {name: Remembering(judge) for name, (judge, _) in loaded.items()}, {
        name: card for name, (_, card) in loaded.items()
    }


def as_json(preset: Any) -> dict[str, Any]:
    """Return the fields of a preset in JSON form.

    Args:
        preset: a frozen dataclass.

    Example:
        >>> from semveil.experiments.kit.latent_presets import LATENT_PRESETS
        >>> as_json(LATENT_PRESETS["smoke"])["scales"]
        [0.5, 1.0]
    """
    return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(preset).items()}
