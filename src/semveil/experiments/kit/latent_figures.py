"""Draw dp-image's and latent-dp's figures from their JSON alone, and the pictures that it names."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from semveil.core.registry import Registry
from semveil.core.results import read_result
from semveil.experiments.dp_image import figures as dp_image_figures
from semveil.experiments.kit.style import finish, styled
from semveil.experiments.latent_dp import figures as latent_dp_figures

FACES = ("dp-image/fig7", "dp-image/fig11", "latent-dp/fig4", "latent-dp/fig6", "latent-dp/fig7")
FACES_DPI = 72  # photographs do not compress; these files are kept in the repository
LATENT_DRAWINGS: Registry[Callable[[dict[str, Any], Path], Figure]] = Registry("figure")
for _method, _drawings in (("dp-image", dp_image_figures.DRAWINGS), ("latent-dp", latent_dp_figures.DRAWINGS)):
    for _name, _drawing in _drawings.items():
        LATENT_DRAWINGS.add(f"{_method}/{_name}", _drawing)


def draw(path: Path, figure: str) -> Path:
    """Draw one figure of a result file.

    Args:
        path: the JSON of a run; figures that show faces also read the pictures that it names.
        figure: such as `dp-image/fig9`.

    Returns:
        The PNG, beside the JSON.
    """
    name = figure.rsplit("/", 1)[-1]
    picture = styled(lambda: LATENT_DRAWINGS[figure](read_result(path), path.parent))
    return finish(picture, path.with_name(f"{name}.png"), dpi=FACES_DPI if figure in FACES else 150)
