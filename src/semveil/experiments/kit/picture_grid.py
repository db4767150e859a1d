# SPDX-License-Identifier: Apache-2.0
"""Image files next to the JSON, and captioned image grids as in [DPSC] Figs. 5 and 6."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from semveil.data.save import save_png
from semveil.faces.pixels import to_pixels

Cell = tuple[Path | NDArray[np.uint8], str]
CELL = 1.75  # inches
PICTURES = "images"  # folder next to the JSON


def draw_pictures(
    rows: Sequence[Sequence[Cell]], *, title: str, row_labels: Sequence[str] = (), aside: str = ""
) -> Figure:
    """Draw rows of captioned images, enlarged bicubically.

    Args:
        rows: images, as files or (H, W, 3) pixels, with captions.
        title: title of the figure.
        row_labels: labels at the left of the rows.
        aside: text in the free cells of the first row.
    """
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(CELL * columns + 0.4, (CELL + 0.42) * len(rows) + 0.5))
    cells = figure.subplots(len(rows), columns, squeeze=False)
    for i, row in enumerate(rows):
        for j, axes in enumerate(cells[i]):
            axes.grid(False)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set_visible(False)
            if j < len(row):
                picture, caption = row[j]
                axes.imshow(
                    read_pixels(picture) if isinstance(picture, Path) else picture, interpolation="bicubic"
                )
                axes.set_title(caption, fontsize=10, linespacing=1.25)
            else:
                axes.set_axis_off()
        if row_labels:
            cells[i, 0].set_ylabel(row_labels[i], fontsize=12, fontweight="bold")
    if aside:
        free = cells[0, len(rows[0])]
        text = free.text(0, 0.95, aside, transform=free.transAxes, va="top", fontsize=10, linespacing=1.4)
        text.set_in_layout(False)
    figure.suptitle(title)
    return figure


def by_source(
    records: Iterable[Mapping[str, Any]], folder: Path, caption: Callable[[Any], str]
) -> list[list[Cell]]:
    """Return rows of images, one for each source photo.

    Args:
        records: records of a result, with `source` and `file`.
        folder: base folder of the files.
        caption: returns the caption of a record.
    """
    rows: dict[str, list[Cell]] = {}
    for record in records:
        rows.setdefault(record["source"], []).append((folder / record["file"], caption(record)))
    return list(rows.values())


def save_picture(folder: Path, name: str, image: Tensor | NDArray[np.uint8]) -> str:
    """Save an image next to the JSON, readable by its owner only; return its path relative to the JSON.

    Args:
        folder: folder of the JSON.
        name: file name without suffix.
        image: (3, S, S) in [-1, 1], or pixels (H, W, 3); it may show a private photo.
    """
    (folder / PICTURES).mkdir(exist_ok=True)
    pixels = to_pixels(image[None])[0] if isinstance(image, Tensor) else image
    save_png(folder / PICTURES / f"{name}.png", pixels, private=True)
    return f"{PICTURES}/{name}.png"


def read_pixels(path: Path) -> NDArray[np.uint8]:
    """Read an image file.

    Args:
        path: an image that Pillow can read.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))
