# SPDX-License-Identifier: Apache-2.0
"""Presets (run sizes) of dp-image and latent-dp, as values of one frozen schema."""

from dataclasses import dataclass

from semveil.experiments.kit.experiment import presets
from semveil.methods.latent_model import STYLEGAN2
from semveil.models.face import DEFAULT_MODEL


@dataclass(frozen=True)
class LatentPreset:
    """Size of a run; the defaults are those of `small`.

    Epsilons per coordinate are multiplied by the number of coordinates, as in [LDP] Fig. 7.

    Attributes:
        name: name of the preset.
        model: default latent model.
        verifier: default recogniser.
        needs_data: whether measurements require held-out photos; otherwise, without data, the astronaut and
            generated faces are used.
        photos: number of photos whose protected images are measured.
        distance_photos: number of photos whose latents are compared pairwise ([DPI] Figs. 4, 5, 8).
        shown_pairs: number of photos in the heat maps.
        pictured: number of photos in the figures that show faces.
        detected: number of images for face detection, the slowest measurement.
        scales: noise scales of [DPI] Figs. 9 and 10.
        pictured_scales: noise scales of [DPI] Figs. 7 and 11.
        draws: noise draws per photo and scale or epsilon.
        search_steps: bisection steps that match a method's similarity in [DPI] Table 1.
        clips: percentages clipped at either end in [LDP] Fig. 8.
        epsilons_per_coordinate: of [LDP] Fig. 8.
        shown_clips: percentages of [LDP] Fig. 4.
        small_epsilons: total epsilons of [LDP] Fig. 6, at `small_epsilon_clips`.
        small_epsilon_clips: percentages of [LDP] Fig. 6.
        large_epsilons_per_coordinate: of [LDP] Fig. 7, at `large_epsilon_clips`.
        large_epsilon_clips: percentages of [LDP] Fig. 7.
        groups: repetitions of each setting in [LDP] Fig. 7.
        noises: number of white-noise images in [LDP]'s outlier test.
        perceptual: perceptual term of the inversion; None for the model's own.
        seed: seed of all noise.
    """

    name: str
    model: str = DEFAULT_MODEL
    verifier: str = "edgeface"
    needs_data: bool = True
    photos: int = 96
    distance_photos: int = 288
    shown_pairs: int = 20
    pictured: int = 3
    detected: int = 48
    scales: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
    pictured_scales: tuple[float, ...] = (0.25, 0.5, 1.0)
    draws: int = 3
    search_steps: int = 7
    clips: tuple[float, ...] = (0.0, 10.0, 25.0, 40.0)
    epsilons_per_coordinate: tuple[float, ...] = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    shown_clips: tuple[float, ...] = (0.0, 15.0, 30.0)
    small_epsilons: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0, 5000.0)
    small_epsilon_clips: tuple[float, ...] = (0.0, 10.0)
    large_epsilons_per_coordinate: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0)
    large_epsilon_clips: tuple[float, ...] = (12.5, 25.0)
    groups: int = 2
    noises: int = 5
    perceptual: str | None = None
    seed: int = 0


LATENT_PRESETS = presets(
    LatentPreset(
        name="smoke", verifier="dlib", needs_data=False, photos=3, distance_photos=5, shown_pairs=4,
        pictured=2, detected=2, scales=(0.5, 1.0), pictured_scales=(0.5,), draws=2, search_steps=2,
        clips=(0.0, 25.0), epsilons_per_coordinate=(1.0, 30.0), shown_clips=(0.0, 30.0),
        small_epsilons=(1.0,), large_epsilons_per_coordinate=(10.0,), noises=2,
    ),
    LatentPreset("small"),
    # [DPI] compares 1,000 photos pairwise (13 GB at 1,024 px) and draws noise 100 times; it does not give the
    # number of test photos.
    LatentPreset(
        name="paper", model=STYLEGAN2, verifier="arcface", photos=100, distance_photos=1000, pictured=5,
        detected=100, scales=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0), draws=100, search_steps=10,
    ),
)  # fmt: skip
