# SPDX-License-Identifier: Apache-2.0
"""Which photos a run takes, and that no two of them share an output."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from semveil.bulk.sources import SourceError, assign_names, find_sources, sha256_of
from semveil.core.errors import PhotoError
from semveil.data.photos import load_photo


def places(*given: Path, out: Path) -> list[str]:
    return [source.place for source in find_sources(given, out).photos]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def test_a_folder_keeps_its_structure_and_the_output_inside_it_is_passed_over(tmp_path: Path) -> None:
    album = touch(
        tmp_path / "album",
        "b/c.JPG",
        "a.png",
        "notes.txt",
        ".hidden.jpg",
        ".dir/x.jpg",
        "out/a.png",
        "out/b/c.png",
    )
    found = find_sources([album], album / "out")
    assert [source.place for source in found.photos] == ["a.png", "b/c.JPG"]
    assert found.others == 2


def test_outputs_of_earlier_runs_are_passed_over_unless_named(tmp_path: Path) -> None:
    album = touch(
        tmp_path / "album", "a.png", "old/a.png", "old/.semveil/manifest.jsonl", "sub/.semveil/x.png"
    )
    found = find_sources([album], album / "new")
    assert [source.place for source in found.photos] == ["a.png"]
    (said,) = found.notes
    assert "old' holds the output of an earlier run" in said
    assert places(album / "old", out=album / "new") == ["a.png"]
    assert len(find_sources([album]).photos) == 2  # whoever only reads takes all, as `classify` does
    assert not find_sources([album], album / "old").notes


def test_unprotected_pictures_that_a_run_kept_are_no_photos(tmp_path: Path) -> None:
    made = touch(tmp_path / "made", "a.png", "unprotected/a.aligned.png", ".semveil/manifest.jsonl")
    for parent in (made, tmp_path):
        found = find_sources([parent])
        assert [source.path.name for source in found.photos] == ["a.png"]
        assert ["made/unprotected' holds what a run kept" in text for text in found.notes] == [True]
    (made / ".semveil" / "manifest.jsonl").unlink()  # a folder of that name that is no run's
    assert len(find_sources([made]).photos) == 2


def test_several_folders_lie_side_by_side_and_photos_at_the_top(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "one", "a.png"), touch(tmp_path / "two", "a.png")
    single = touch(tmp_path, "odd name without suffix") / "odd name without suffix"
    assert places(one, two, single, out=tmp_path / "out") == [
        "odd name without suffix",
        "one/a.png",
        "two/a.png",
    ]


def test_links_to_photos_count_once_and_linked_folders_not(tmp_path: Path) -> None:
    album, other = touch(tmp_path / "album", "a.png"), touch(tmp_path / "other", "b.png")
    (album / "z.png").symlink_to(album / "a.png")
    (album / "linked.png").symlink_to(other / "b.png")
    (album / "circle").symlink_to(album)
    (album / "gone.png").symlink_to(tmp_path / "nothing")
    found = find_sources([album, album / "a.png"], tmp_path / "out")
    assert [source.place for source in found.photos] == ["album/a.png", "album/gone.png", "album/linked.png"]
    assert sum("same file" in text for text in found.notes) == 1
    assert sum("link to a folder" in text for text in found.notes) == 1


def test_a_file_with_several_names_counts_once(tmp_path: Path) -> None:
    album, other = touch(tmp_path / "album", "a.png"), touch(tmp_path / "other", "c.png")
    os.link(album / "a.png", album / "b.png")
    os.link(album / "a.png", other / "a again.png")
    (other / "copy.png").write_bytes((album / "a.png").read_bytes())  # another file
    found = find_sources([album, other], tmp_path / "out")
    assert [source.place for source in found.photos] == ["album/a.png", "other/c.png", "other/copy.png"]
    assert sum("same file" in text for text in found.notes) == 2


def test_devices_and_pipes_are_refused_by_name_and_passed_over_in_folders(tmp_path: Path) -> None:
    album = touch(tmp_path / "album", "a.png")
    os.mkfifo(album / "pipe.jpg")
    os.mkfifo(album / "pipe")
    (album / "zero.jpg").symlink_to("/dev/zero")
    for path in (album / "pipe.jpg", album / "zero.jpg", Path("/dev/zero")):
        with pytest.raises(PhotoError, match="not a regular file"):
            find_sources([path])
        with pytest.raises(PhotoError, match="not a regular file"):
            sha256_of(path)
    found = find_sources([album])
    assert ([source.place for source in found.photos], found.others) == (["a.png"], 3)


def test_what_shows_people_is_never_passed_over_for_its_kind_or_name(tmp_path: Path) -> None:
    album = touch(
        tmp_path / "album",
        "IMG_1.DNG",
        "IMG_2.MOV",
        "x.cr3",
        "x.jxl",
        "x.heic",
        "notes.txt",
        "empty",
        "a.png.json",
    )
    Image.new("RGB", (4, 4)).save(album / "no ending", "jpeg")
    Image.new("RGB", (4, 4)).save(album / "b.jpg_large", "png")
    found = find_sources([album])
    kept = ["IMG_1.DNG", "IMG_2.MOV", "b.jpg_large", "no ending", "x.cr3", "x.heic", "x.jxl"]
    assert ([source.place for source in found.photos], found.others) == (kept, 3)
    for name in ("IMG_1.DNG", "IMG_2.MOV", "x.jxl"):
        with pytest.raises(PhotoError, match=name):
            load_photo(album / name)


def test_what_cannot_be_a_run_says_why(tmp_path: Path) -> None:
    album, other = touch(tmp_path / "album", "a.png"), touch(tmp_path / "other", "a.png")
    with pytest.raises(SourceError, match="is the output folder"):
        find_sources([album], album)
    with pytest.raises(SourceError, match=r"would both be 'a\.png'"):
        find_sources([album / "a.png", other / "a.png"], tmp_path / "out")
    with pytest.raises(PhotoError, match="does not exist"):
        find_sources([tmp_path / "nothing"], tmp_path / "out")
    with pytest.raises(PhotoError, match="no photos in"):
        find_sources([touch(tmp_path / "texts", "a.txt")], tmp_path / "out")


ENDINGS = ("", ".face-0", ".face-1", ".face-0.face-0", ".covered", ".partly-unprotected", ".unprotected")


def outputs(name: str) -> set[str]:
    return {f"{name}{face}.png".casefold() for face in ENDINGS}


SUFFIXES = st.sampled_from([".jpg", ".png", ".JPG"])


@given(
    st.sets(
        st.tuples(
            st.sampled_from(["a", "A", "a.jpg", "a.face-0", "a.jpg.face-0", "b", "a-", "a.covered"]), SUFFIXES
        ),
        min_size=1,
    )
)
def test_no_two_photos_share_a_name_whatever_they_are_called(parts: set[tuple[str, str]]) -> None:
    names = assign_names(["".join(part) for part in parts], {})
    assert len({name.casefold() for name in names.values()}) == len(parts)


@given(
    st.lists(st.tuples(st.sampled_from(["a", "a.jpg", "a.face-0", "b"]), SUFFIXES), min_size=2, unique=True)
)
def test_a_photo_keeps_its_name_whatever_comes_beside_it(parts: list[tuple[str, str]]) -> None:
    listed = ["".join(part) for part in parts]
    before = assign_names(listed[:1], {})
    after = assign_names(listed, before)
    assert after[listed[0]] == before[listed[0]]
    assert len({name.casefold() for name in after.values()}) == len(listed)


def test_names_of_single_faces_are_no_names_of_photos(album: Callable) -> None:
    names = assign_names(["a.jpg", "a.face-0.jpg"], {})
    assert names == {"a.jpg": "a.jpg", "a.face-0.jpg": "a.face-0.jpg"}
    assert not outputs(names["a.jpg"]) & {f"{names['a.face-0.jpg']}.png"}
