# SPDX-License-Identifier: Apache-2.0
"""Presets (run sizes) of dp-image and latent-dp, as values of one frozen schema."""

from dataclasses import dataclass

from semveil.experiments.kit.experiment import presets
from semveil.methods.latent_model import STYLEGAN2
from semveil.models.face import DEFAULT_MODEL


@dataclass(frozen=True)
class LatentPreset:
    """Size of a run; the defaults are those of `small`.

    Epsilons per coordinate are multiplied by the number of coordinates, as [LDP] Fig. 7 has it.

    Attributes:
        name: as the user says it.
        model: latent model by default.
        verifier: recogniser by default.
        needs_data: whether what is measured must be held-out photos; else, without data, the astronaut and
            generated faces.
        photos: whose protected pictures are measured.
        distance_photos: whose latents are compared pair by pair ([DPI] Figs. 4, 5, 8).
        shown_pairs: photos in the heat maps.
        pictured: photos in the figures that show faces.
        detected: photos in which a detector looks for a face, the slowest measurement.
        scales: of the noise in [DPI] Figs. 9 and 10.
        pictured_scales: of [DPI] Figs. 7 and 11.
        draws: of the noise per photo and scale or epsilon.
        search_steps: bisections by which [DPI] Table 1 matches a method's similarity.
        clips: percent cut off at either end in [LDP] Fig. 8.
        epsilons_per_coordinate: of [LDP] Fig. 8.
        shown_clips: of [LDP] Fig. 4.
        small_epsilons: in total, of [LDP] Fig. 6, at `small_epsilon_clips`.
        large_epsilons_per_coordinate: of [LDP] Fig. 7, at `large_epsilon_clips`.
        groups: times that each setting of [LDP] Fig. 7 is shown.
        noises: pictures of white noise in [LDP]'s outlier test.
        perceptual: perceptual term of the inversion; the model's own where None.
        seed: of all noise.
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
        name="smoke",
        verifier="dlib",
        needs_data=False,
        photos=3,
        distance_photos=5,
        shown_pairs=4,
        pictured=2,
        detected=2,
        scales=(0.5, 1.0),
        pictured_scales=(0.5,),
        draws=2,
        search_steps=2,
        clips=(0.0, 25.0),
        epsilons_per_coordinate=(1.0, 30.0),
        shown_clips=(0.0, 30.0),
        small_epsilons=(1.0,),
        large_epsilons_per_coordinate=(10.0,),
        noises=2,
    ),
    LatentPreset("small"),
    # [DPI] compares 1,000 photos pair by pair (13 GB at 1,024 px) and draws 100 times; it names no number of
    # test photos.
    LatentPreset(
        name="paper",
        model=STYLEGAN2,
        verifier="arcface",
        photos=100,
        distance_photos=1000,
        pictured=5,
        detected=100,
        scales=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        draws=100,
        search_steps=10,
    ),
)
