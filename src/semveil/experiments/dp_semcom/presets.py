"""How large an experiment runs: presets as values of one frozen schema."""

from dataclasses import dataclass

from semveil.core.registry import Registry
from semveil.methods.dp_semcom import PAPER_EPSILONS
from semveil.methods.face_model import DEFAULT_MODEL, OFFICIAL_MODEL

PICTURED_EPSILONS = (1, 10, 15, 300, 800)  # [DPSC] Figs. 5 and 6


@dataclass(frozen=True)
class Preset:
    """Size of a run of dp-semcom's figures.

    Attributes:
        name: as the user says it.
        model: face model by default.
        verifier: recogniser by default.
        photos: photos that figs. 3 and 4 and the noise comparison measure.
        needs_data: whether those must be held-out photos; else, without data, the astronaut and generated faces serve.
        epsilons: nominal, of figs. 3 and 4.
        pictured: photos in figs. 5 and 6.
        pictured_epsilons: nominal, of figs. 5 and 6.
        noise_epsilons: nominal, of the noise comparison.
        seeds: of the channel; Bob's, Eve's and the direct link's noise are named streams of each.
        snr_db: of Bob's and Eve's channel.
        perceptual: perceptual term of the inversion; the model's own where None.
        measured_box: measure the model's clip box, which for the official weights is a guess otherwise.
    """

    name: str
    model: str
    verifier: str
    photos: int
    needs_data: bool
    epsilons: tuple[float, ...] = PAPER_EPSILONS
    pictured: int = 3
    pictured_epsilons: tuple[float, ...] = PICTURED_EPSILONS
    noise_epsilons: tuple[float, ...] = (10, 800)
    seeds: tuple[int, ...] = (0, 1, 2)
    snr_db: float = 20.0
    perceptual: str | None = None
    measured_box: bool = False


PRESETS: Registry[Preset] = Registry("preset")
for _preset in (
    Preset(
        name="smoke",
        model=DEFAULT_MODEL,
        verifier="dlib",
        photos=4,
        needs_data=False,
        epsilons=(1, 800),
        pictured=1,
        pictured_epsilons=(1, 800),
        noise_epsilons=(10,),
        seeds=(0,),
    ),
    Preset(name="small", model=DEFAULT_MODEL, verifier="dlib", photos=128, needs_data=True),
    # The paper names no number of test photos. The official generator was not trained on the last 2,000; 500 of them fit
    # into 2 GB at 512 px. Its inversion is dominated by LPIPS(VGG), which therefore has to be there.
    Preset(
        name="paper",
        model=OFFICIAL_MODEL,
        verifier="arcface",
        photos=500,
        needs_data=True,
        perceptual="lpips",
        measured_box=True,
    ),
):
    PRESETS.add(_preset.name, _preset)
