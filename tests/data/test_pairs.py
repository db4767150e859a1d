# SPDX-License-Identifier: Apache-2.0
"""LFW-style lists of pairs: read, checked, and a verifier calibrated on them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import Tensor

from semveil.core.errors import PhotoError
from semveil.data.pairs import Pair, align_portrait, calibrate_threshold, read_pairs
from semveil.recognition import OnnxVerifier, Verifier

LIST = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t3\nBob\t3\t4\nBob\t4\tCy\t1\n"


def photos(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name[:-5]).mkdir(exist_ok=True)
        (folder / name[:-5] / f"{name}.jpg").touch()
    return folder


def write(folder: Path, text: str) -> Path:
    (folder / "pairs.txt").write_text(text, encoding="utf-8")
    return folder / "pairs.txt"


def test_pairs_and_folds(tmp_path: Path) -> None:
    photos(tmp_path, "Ann_0001", "Ann_0002", "Bob_0003", "Bob_0004", "Cy_0001")
    result = read_pairs(write(tmp_path, LIST), tmp_path)
    assert result.skipped == 0
    assert result.pairs[0] == Pair(tmp_path / "Ann/Ann_0001.jpg", tmp_path / "Ann/Ann_0002.jpg", True, 0)
    assert result.pairs[3] == Pair(tmp_path / "Bob/Bob_0004.jpg", tmp_path / "Cy/Cy_0001.jpg", False, 1)
    assert [(pair.same, pair.fold) for pair in result.pairs] == [(True, 0), (False, 0), (True, 1), (False, 1)]


def test_pairs_with_an_absent_photo_are_skipped_and_counted(tmp_path: Path) -> None:
    photos(tmp_path, "Ann_0001", "Bob_0003", "Bob_0004")
    result = read_pairs(write(tmp_path, LIST), tmp_path)
    assert result.skipped == 2
    assert [pair.fold for pair in result.pairs] == [0, 1], "folds are counted before pairs are skipped"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Ann\t1\t2\n", "starts with 'Ann"),
        ("2\t2\nAnn\t1\t2\n", "holds 1 pairs, its first line promises 8"),
        (LIST.replace("Ann\t1\t2", "Ann 1 2"), "holds the line 'Ann 1 2'"),
        (LIST.replace("Ann\t1\t2", "Ann\t1\ttwo"), "expected NAME i j"),
        ("", "starts with ''"),
        ("0\t0\n", "holds 0 pairs"),
        ("-1\t-1\nAnn\t1\t2\nAnn\t1\t2\n", "holds 2 pairs"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_pairs(write(photos(tmp_path, "Ann_0001"), text), tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        (LIST + "\n").encode(),
        LIST.removesuffix("\n").encode(),
        b"\xef\xbb\xbf" + LIST.replace("\n", "\r\n").encode(),
        LIST.encode("utf-16"),
        LIST.replace("\n", "\n\n").replace("\t3\n", "\t3 \n").encode(),
    ],
    ids=["blank last line", "no last newline", "byte order mark and CRLF", "UTF-16", "blank lines"],
)
def test_a_list_that_went_through_another_program_is_the_same(tmp_path: Path, content: bytes) -> None:
    photos(tmp_path, "Ann_0001", "Ann_0002", "Bob_0003", "Bob_0004", "Cy_0001")
    plain = read_pairs(write(tmp_path, LIST), tmp_path)
    (tmp_path / "other.txt").write_bytes(content)
    assert read_pairs(tmp_path / "other.txt", tmp_path) == plain


def test_a_list_that_never_ends_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="not a regular file"):
        read_pairs("/dev/zero", tmp_path)


def test_a_wrong_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none of the photos of pairs\.txt is below"):
        read_pairs(write(tmp_path, LIST), tmp_path / "elsewhere")


@dataclass
class ByPixels(Verifier):
    """Tells people by their pixels; enough to see what reaches the calibration."""

    name: str = "pixels"
    threshold: float = 0.0

    def embed(self, images: Tensor) -> Tensor:
        return images.flatten(1)

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        return -torch.cdist(a, b)

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        return -(a - b).norm(dim=-1)


def test_a_photo_that_cannot_be_read_is_told_and_ends_nothing_where_that_is_asked(tmp_path: Path) -> None:
    photo = skimage.data.astronaut()[0:220, 120:330]
    listed, rng = [], np.random.default_rng(0)
    for turn, person in enumerate("ABCDEFGH"):
        (tmp_path / person).mkdir()
        first, second = (tmp_path / person / f"{person}_000{number}.jpg" for number in (1, 2))
        for path in (first, second):
            noisy = photo + rng.normal(8 * turn, 6, (220, 210, 3))
            Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path)
        listed.append(Pair(first, second, True, 0))
    (tmp_path / "A" / "A_0003.jpg").write_bytes(b"no photo")
    listed.append(Pair(tmp_path / "A" / "A_0001.jpg", tmp_path / "A" / "A_0003.jpg", True, 0))
    with pytest.raises(PhotoError, match="A_0003"):
        calibrate_threshold(ByPixels(), listed, resolution=32, far=0.5)
    told: list[PhotoError] = []
    assert calibrate_threshold(ByPixels(), listed, resolution=32, far=0.5, refused=told.append).images == 16
    assert ["A_0003" in str(error) for error in told] == [True]


def test_calibration_uses_all_pairs_among_the_photos(shared: Path) -> None:
    listed = read_pairs(shared / "data/lfw/pairs.txt", shared / "data/lfw")
    assert len(listed.pairs) + listed.skipped == 6000
    assert {pair.fold for pair in listed.pairs} == set(range(10))
    for pair in listed.pairs:
        assert pair.same == (pair.first.parent == pair.second.parent)
    steps: list[tuple[int, int]] = []
    result = calibrate_threshold(
        ByPixels(), listed.pairs[:20], resolution=32, far=0.1, progress=lambda *step: steps.append(step)
    )
    unique = len({photo for pair in listed.pairs[:20] for photo in (pair.first, pair.second)})
    assert steps[-1] == (unique, unique)
    assert result.verifier == "pixels" and result.resolution == 32 and result.far == 0.1
    assert unique - 3 <= result.images <= unique, "photos without a detected face are left out"
    assert result.impostor_pairs + result.genuine_pairs == result.images * (result.images - 1) // 2


def test_a_recogniser_beats_pixels(shared: Path) -> None:
    pytest.importorskip("onnxruntime")
    pairs = read_pairs(shared / "data/lfw/pairs.txt", shared / "data/lfw").pairs[:60]
    edgeface = OnnxVerifier(shared / "weights/edgeface_xs.onnx", threshold=0.26)
    good, bad = (
        calibrate_threshold(v, pairs, far=0.01, rng=torch.Generator().manual_seed(0))
        for v in (edgeface, ByPixels())
    )
    assert good.tar > 0.95 > 0.5 > bad.tar
    assert good.accuracy > 0.97


def test_portraits_are_aligned_images(shared: Path) -> None:
    image = align_portrait(shared / "data/lfw/Abel_Pacheco/Abel_Pacheco_0001.jpg", 48)
    assert image is not None and image.shape == (1, 3, 48, 48)
    assert -1 <= image.min() < image.max() <= 1
