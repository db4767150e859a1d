# SPDX-License-Identifier: Apache-2.0
"""What `semveil protect` adds to the work on a photo: the log, staged files, certificates, and Dask.

    python benchmarks/bulk.py PHOTO [--photos 24] [--workers 2]

The floor reads, detects, aligns and makes a mosaic of copies of PHOTO, and writes nothing. Milliseconds for
each photo, of the process's CPU and of the clock; the CPU of workers is not counted.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from semveil.bulk.pool import open_pool
from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.data.faces import load_aligned_faces
from semveil.faces.pixels import to_pixels, to_tensor

TASKS = 400


def timed(label: str, count: int, work: Callable[[], object]) -> None:
    """Print CPU and wall time of one run of some work, in milliseconds for each item.

    Args:
        label: of the line.
        count: items that the work does.
        work: timed once, without a warm-up.
    """
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    cpu, wall = (time.process_time() - cpu) / count * 1e3, (time.perf_counter() - wall) / count * 1e3
    print(f"{label}: {cpu:.2f} ms CPU, {wall:.2f} ms on the clock")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    settings = Settings("mosaic", options=(("size", 64),), face="largest")
    method = settings.build()
    with tempfile.TemporaryDirectory() as place:
        root, photos = Path(place), Path(place, "photos")
        photos.mkdir()
        with Image.open(given.photo) as photo:
            for i in range(given.photos):
                photo.save(photos / f"{i}.jpg", quality=95)

        def floor() -> None:
            for path in photos.iterdir():
                faces = load_aligned_faces(path, size=64, selection="largest", detector="dlib")
                to_pixels(method.protect(to_tensor([face.aligned.pixels for face in faces])).images)

        floor()  # models are loaded
        timed("floor", given.photos, floor)
        timed("one process", given.photos, lambda: protect_photos([photos], root / "one", settings))
        timed("again, all done", given.photos, lambda: protect_photos([photos], root / "one", settings))
        run = lambda: protect_photos([photos], root / "many", settings, workers=given.workers)  # noqa: E731
        timed(f"{given.workers} workers, start included", given.photos, run)
    with open_pool(given.workers) as pool:
        timed("Dask alone, for a task", TASKS, lambda: list(pool(abs, range(TASKS))))


if __name__ == "__main__":
    main()
