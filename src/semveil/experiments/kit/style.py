"""One look for all figures, and how they are written."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib
from matplotlib.figure import Figure

from semveil.core.files import write_whole

# Okabe and Ito's palette.
COLOURS: Final[dict[str, Any]] = {
    "bob": "#0072B2",
    "eve": "#D55E00",
    "direct": "#222222",
    "inverted": "#009E73",
    "paper": "#E69F00",
    "series": ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#222222"),
}
_LOOK: Final[Any] = {
    "font.size": 11,
    "axes.titlesize": 11.5,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "legend.fontsize": 9.5,
    "legend.framealpha": 0.9,
    "figure.titlesize": 12.5,
    "figure.constrained_layout.use": True,
}


def styled(draw: Callable[[], Figure]) -> Figure:
    """Call what draws with the house style, which leaves matplotlib's own settings as they were."""
    with matplotlib.rc_context(_LOOK):
        return draw()


def finish(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """Write a PNG that carries no software, time or path, whole or not at all."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(_LOOK):
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    write_whole(path, buffer.getvalue())
    return path
