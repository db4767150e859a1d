# SPDX-License-Identifier: Apache-2.0
"""CIFAR in its three layouts: the same pictures, labels and names; nothing in a file is run."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from semveil.data.labelled_pictures import DataSetError, load_labelled

CLASSES = ("apple", "bear", "cloud")


def _pictures(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 32, 32, 3), np.uint8), np.sort(rng.permutation(np.arange(count) % 3))


def _flat(pixels: np.ndarray) -> np.ndarray:
    """As the official files store them: all reds, all greens, all blues, row by row."""
    return pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)


@pytest.fixture(params=["cifar-100-python", "cifar-10-batches-py", "pictures", "npz"])
def data_set(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    train, test = _pictures(15, 1), _pictures(6, 2)
    if request.param == "npz":
        path = tmp_path / "subset.npz"
        np.savez(path, train_images=train[0], train_labels=train[1].astype(np.uint8), test_images=test[0],
                 test_labels=test[1].astype(np.uint8), class_names=np.array(CLASSES))  # fmt: skip
        return path
    if request.param == "pictures":
        for part, (pixels, labels) in (("train", train), ("test", test)):
            for i, (picture, label) in enumerate(zip(pixels, labels, strict=True)):
                folder = tmp_path / part / CLASSES[label]
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture).save(folder / f"{i:04}.png")
        return tmp_path
    folder = tmp_path / request.param
    folder.mkdir()
    fine = request.param == "cifar-100-python"
    contents: dict[str, dict[str, object]] = {
        ("meta" if fine else "batches.meta"): {("fine_label_names" if fine else "label_names"): list(CLASSES)}
    }
    key = "fine_labels" if fine else "labels"
    if fine:
        contents["train"] = {"data": _flat(train[0]), key: train[1].tolist()}
        contents["test"] = {"data": _flat(test[0]), key: test[1].tolist()}
    else:
        for i, rows in enumerate(np.split(np.arange(15), 5), start=1):
            contents[f"data_batch_{i}"] = {"data": _flat(train[0][rows]), key: train[1][rows].tolist()}
        contents["test_batch"] = {"data": _flat(test[0]), key: test[1].tolist()}
    for name, content in contents.items():
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    return tmp_path  # the folder that holds the official one


def test_every_layout_gives_the_same(data_set: Path) -> None:
    for part, count, seed in (("train", 15, 1), ("test", 6, 2)):
        found, (pixels, labels) = load_labelled(data_set, part=part), _pictures(count, seed)
        assert found.classes == CLASSES
        assert np.array_equal(found.pixels, pixels) and np.array_equal(found.labels, labels)
        assert found.labels.dtype == np.int64


def test_a_class_without_test_pictures_shifts_no_label(tmp_path: Path) -> None:
    for place in ("train/a", "train/b", "train/c", "test/c"):
        (tmp_path / place).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / place / "0.png")
    assert load_labelled(tmp_path, part="test").labels.tolist() == [2]


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code was run",)


def test_a_pickle_that_asks_for_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "meta").write_bytes(pickle.dumps({"fine_label_names": _Evil()}))
    with pytest.raises(DataSetError, match="refused to run it"):
        load_labelled(tmp_path)
    assert capsys.readouterr().out == ""


def test_errors_name_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="no data set"):
        load_labelled(tmp_path)
    with pytest.raises(ValueError, match="did you mean 'test'"):
        load_labelled(tmp_path, part="tests")
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    with pytest.raises(DataSetError, match=r"broken\.npz"):
        load_labelled(tmp_path / "broken.npz")
    for size in (8, 9):
        (tmp_path / f"train/{size}").mkdir(parents=True)
        Image.new("RGB", (size, size)).save(tmp_path / f"train/{size}/0.png")
    with pytest.raises(DataSetError, match="one size in folders by class, found 8 x 8, 9 x 9"):
        load_labelled(tmp_path)
    np.savez(
        tmp_path / "wrong.npz",
        train_images=np.zeros((1, 8, 8, 3), np.uint8),
        train_labels=[7],
        class_names=["a"],
    )
    with pytest.raises(DataSetError, match=r"0\.\.0"):
        load_labelled(tmp_path / "wrong.npz")
