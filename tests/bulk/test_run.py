# SPDX-License-Identifier: Apache-2.0
"""A run over photos in this process: what lands in the output, what does not, and what happens the second
time.
"""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semveil.bulk import task, written
from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.bulk.sources import FOLDER, SourceError
from semveil.core.errors import OutputError
from semveil.data.certified import read_certificate
from semveil.data.photos import Photo
from semveil.methods.baselines import Blur
from semveil.privacy.guarantee import Basis

# fresh noise shows whether a photo was protected again
NOISE = Settings("pixel-noise", options=(("size", 32),))
MOSAIC = Settings("mosaic", options=(("size", 32),))


def visible(out: Path) -> list[str]:
    """What a user sees in the output folder."""
    found = (str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    return sorted(
        path for path in found if not path.startswith(FOLDER) and not path.endswith(".certificate.json")
    )


def test_pictures_mirror_the_folder_with_certificates_and_nothing_else(
    album: Callable, tmp_path: Path
) -> None:
    folder, out = album("a.jpg", "sub/deep/b.png", "sub/c.jpg"), tmp_path / "out"
    seen: list[tuple[int, int]] = []
    summary = protect_photos([folder], out, NOISE, progress=lambda done, total: seen.append((done, total)))
    assert (summary.photos, summary.protected, summary.faces_found, summary.faces_protected) == (3, 3, 3, 3)
    assert (summary.exit_code, seen[0], seen[-1]) == (0, (0, 3), (3, 3))
    assert repr(summary).startswith(
        "Summary(3 photos and clips, 3 protected; 3 faces found, 3 protected; epsilon "
    )
    assert visible(out) == ["a.png", "sub/c.png", "sub/deep/b.png"]
    assert summary.guarantee is not None
    for picture in visible(out):
        certificate = read_certificate(out / picture)
        assert certificate.guarantee == summary.guarantee
        assert (certificate.method, certificate.guarantee.basis, certificate.images) == (
            "pixel-noise",
            Basis.PROVED,
            1,
        )
    assert len({read_certificate(out / picture).release_id for picture in visible(out)}) == 3
    assert [path.name for path in (out / FOLDER).iterdir()] == ["manifest.jsonl"]


def test_no_metadata_and_no_path_passes(album: Callable, tmp_path: Path) -> None:
    folder, out = album("private name.jpg"), tmp_path / "out"
    assert b"secret description" in (folder / "private name.jpg").read_bytes()
    protect_photos([folder], out, replace(NOISE, certificate_in_png=True))
    with Image.open(out / "private name.png") as picture:
        assert set(picture.info) == {"semveil-certificate"}
    for path in out.rglob("*.*"):
        if path.is_file():
            assert b"secret description" not in path.read_bytes()
            assert str(tmp_path).encode() not in path.read_bytes()
    read_certificate(out / "private name.png")


def test_a_refused_photo_does_not_leave_an_older_picture_without_a_word(
    album: Callable, tmp_path: Path
) -> None:
    folder, out = album("a.jpg", "b.jpg"), tmp_path / "out"
    assert not protect_photos([folder], out, MOSAIC).notes
    Image.new("RGB", (64, 64), "grey").save(folder / "a.jpg")  # shows no face any more
    late = protect_photos([folder], out, MOSAIC)
    assert visible(out) == ["a.png", "b.png"] and len(late.refused) == 1
    (said,) = late.notes
    assert "a.jpg' was refused" in said and said.endswith("'a.png'")
    (out / "a.png").unlink()
    assert not protect_photos([folder], out, MOSAIC).notes


def test_a_second_run_keeps_what_is_done_and_does_what_is_new_or_changed(
    album: Callable, tmp_path: Path
) -> None:
    folder, out = album("a.jpg", "b.jpg"), tmp_path / "out"
    protect_photos([folder], out, NOISE)
    first = {name: (out / name).read_bytes() for name in visible(out)}
    again = protect_photos([folder], out, NOISE)
    assert (again.protected, again.done_before, again.faces_found) == (0, 2, 2)
    assert again.guarantee == read_certificate(out / "a.png").guarantee  # of what was done before, too
    assert {name: (out / name).read_bytes() for name in visible(out)} == first

    with Image.open(folder / "b.jpg") as photo:
        photo.save(folder / "c.png")  # new
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "b.jpg")  # changed
    os.utime(folder / "a.jpg", (1, 1))  # touched, which is no change
    third = protect_photos([folder], out, NOISE)
    assert (third.protected, third.done_before) == (2, 1)
    assert (out / "a.png").read_bytes() == first["a.png"]
    assert (out / "b.png").read_bytes() != first["b.png"]
    assert third.notes == (
        "1 picture of an earlier run replaced; each new one is a further release about its people",
    )
    (out / "a.png").unlink()  # gone, so it is made again
    assert protect_photos([folder], out, NOISE).protected == 1


def test_copies_of_one_photo_are_named_since_each_is_a_release(album: Callable, tmp_path: Path) -> None:
    folder, out = album("a.jpg", "b.jpg"), tmp_path / "out"
    assert protect_photos([folder], out, NOISE).notes == ()
    (folder / "c.jpg").write_bytes((folder / "b.jpg").read_bytes())
    (said,) = protect_photos([folder], out, NOISE).notes
    assert said.startswith("'c.jpg' has the same content as 'b.jpg'; each has a picture")
    assert protect_photos([folder], out, NOISE).notes == ()  # nothing new
    alone = protect_photos([folder / "a.jpg"], tmp_path / "other", NOISE)
    (folder / "sub").mkdir()
    (folder / "a.jpg").rename(folder / "sub" / "a.jpg")
    assert alone.notes == () == protect_photos([folder / "sub" / "a.jpg"], tmp_path / "other", NOISE).notes
    elsewhere = protect_photos([folder], tmp_path / "other", NOISE).notes  # b and c, and a at another place
    assert any("same content" in text and ", and 1 more such" in text for text in elsewhere)


def test_every_replaced_picture_is_counted(tmp_path: Path, twice: Image.Image) -> None:
    twice.save(tmp_path / "pair.png")
    protect_photos([tmp_path / "pair.png"], tmp_path / "out", NOISE)
    assert visible(tmp_path / "out") == ["pair.face-0.png", "pair.face-1.png"]
    whole = replace(NOISE, layout="whole-photo")
    (said,) = protect_photos([tmp_path / "pair.png"], tmp_path / "out", whole).notes
    assert said.startswith("2 pictures of an earlier run replaced") and visible(tmp_path / "out") == [
        "pair.png"
    ]


def test_another_photo_of_the_same_name_replaces_nothing(album: Callable, tmp_path: Path) -> None:
    here, out = album("a.jpg"), tmp_path / "out"
    protect_photos([here / "a.jpg"], out, MOSAIC)
    made = (out / "a.png").read_bytes()
    there = tmp_path / "there"
    there.mkdir()
    (there / "a.jpg").write_bytes((here / "a.jpg").read_bytes())
    moved = protect_photos([there / "a.jpg"], out, MOSAIC)
    assert moved.done_before == 1  # the same photo, wherever it lies
    with Image.open(here / "a.jpg") as photo:
        photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(there / "a.jpg")
    other = protect_photos([there / "a.jpg"], out, MOSAIC)
    assert other.exit_code == 2 and "made from another photo of this name" in other.refused[0].reason
    assert (out / "a.png").read_bytes() == made
    (out / "a.png").unlink()
    assert protect_photos([there / "a.jpg"], out, MOSAIC).protected == 1


def test_other_options_do_all_photos_anew_and_defaults_are_the_same_as_given(
    album: Callable, tmp_path: Path
) -> None:
    folder, out = album("a.jpg"), tmp_path / "out"
    protect_photos([folder], out, NOISE)
    assert (
        protect_photos([folder], out, replace(NOISE, options=(("sigma", 49), ("size", 32)))).done_before == 1
    )
    assert protect_photos([folder], out, replace(NOISE, on_no_face="skip")).done_before == 1
    assert (
        protect_photos([folder], out, replace(NOISE, options=(("sigma", 48.0), ("size", 32)))).protected == 1
    )
    assert protect_photos([folder], out, MOSAIC).protected == 1
    assert read_certificate(out / "a.png").method == "mosaic"


@pytest.mark.parametrize("spoiled", ["emptied", "the photo itself", "a folder"])
def test_what_was_put_there_is_there_again_or_the_photo_is_refused(
    album: Callable, tmp_path: Path, spoiled: str
) -> None:
    folder, out = album("a.jpg", "b.jpg"), tmp_path / "out"
    protect_photos([folder], out, MOSAIC)
    right = (out / "a.png").read_bytes()
    if spoiled == "a folder":
        (out / "a.png").unlink()
        (out / "a.png").mkdir()
    elif spoiled == "emptied":
        (out / "a.png").write_bytes(b"")
    else:
        Image.open(folder / "a.jpg").save(out / "a.png")
    again = protect_photos([folder], out, MOSAIC)
    assert again.done_before == 1
    if spoiled == "a folder":
        assert (again.exit_code, "is a folder" in again.refused[0].reason) == (5, True)
    else:
        assert (again.exit_code, again.protected, (out / "a.png").read_bytes()) == (0, 1, right)
        assert any("'a.png' in the output is not what was put there" in text for text in again.notes)
        assert protect_photos([folder], out, MOSAIC).notes == ()


def test_a_name_without_room_for_the_endings_refuses_that_photo_only(album: Callable, tmp_path: Path) -> None:
    folder, out = album("a.jpg", "z.jpg"), tmp_path / "out"
    (folder / ("m" * 251 + ".jpg")).write_bytes((folder / "a.jpg").read_bytes())
    summary = protect_photos([folder], out, MOSAIC)
    assert (summary.protected, len(summary.refused), summary.exit_code) == (2, 1, 5)
    assert "shorter name" in summary.refused[0].reason
    assert visible(out) == ["a.png", "z.png"]


def test_a_limit_on_the_size_of_files_is_no_matter_of_names(
    album: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*given: object, **more: object) -> None:
        raise OutputError("cannot write 'a.png': File too large") from OSError(errno.EFBIG, "File too large")

    monkeypatch.setattr(written, "save_png", too_large)
    (refused,) = protect_photos([album("a.jpg")], tmp_path / "out", MOSAIC).refused
    assert "takes no file that large" in refused.reason and "name" not in refused.reason.replace(
        "'a.png'", ""
    )


def test_frames_that_no_picture_shows_are_told(album: Callable, face: Image.Image, tmp_path: Path) -> None:
    folder = album("a.jpg")
    face.save(folder / "b.webp", save_all=True, append_images=[face.rotate(5)], duration=99)
    face.save(folder / "c.tiff", save_all=True, append_images=[face.rotate(5)])
    summary = protect_photos([folder], tmp_path / "out", MOSAIC)
    assert (summary.protected, len(summary.notes)) == (3, 2)
    assert all("the first was taken" in text for text in summary.notes)
    assert [name for name in ("b.webp", "c.tiff") for text in summary.notes if name in text] == [
        "b.webp",
        "c.tiff",
    ]


def test_kept_unprotected_pictures_are_private(album: Callable, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        protect_photos([album("a.jpg")], tmp_path / "out", replace(MOSAIC, keep=("aligned",)))
    finally:
        os.umask(before)
    kept = tmp_path / "out" / "unprotected" / "a.aligned.png"
    assert [path.stat().st_mode & 0o777 for path in (kept, tmp_path / "out" / "a.png")] == [0o600, 0o666]


def test_a_lack_of_memory_concerns_its_photo_only(
    album: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = album("a.jpg", "b.jpg")
    real = task.choose_faces

    def scarce(photo: Photo, *arguments: object, **options: object) -> object:
        if photo.name == "a.jpg":
            raise MemoryError
        return real(photo, *arguments, **options)

    monkeypatch.setattr(task, "choose_faces", scarce)
    summary = protect_photos([folder], tmp_path / "out", MOSAIC)
    assert (summary.protected, summary.exit_code) == (1, 3)
    assert "needs more memory than there is" in summary.refused[0].reason


def test_photos_of_one_stem_keep_apart(album: Callable, tmp_path: Path) -> None:
    folder, out = album("a.jpg", "a.png"), tmp_path / "out"
    assert protect_photos([folder], out, MOSAIC).protected == 2
    assert visible(out) == ["a.jpg.png", "a.png.png"]


def test_every_face_of_a_photo_or_the_chosen_one(twice: Image.Image, album: Callable, tmp_path: Path) -> None:
    folder = album("a.jpg")
    twice.save(folder / "two.png")
    summary = protect_photos([folder], tmp_path / "all", MOSAIC)
    assert (summary.faces_found, summary.faces_protected, summary.faces_refused) == (3, 3, 0)
    assert visible(tmp_path / "all") == ["a.png", "two.face-0.png", "two.face-1.png"]
    protect_photos([folder], tmp_path / "largest", replace(MOSAIC, face="largest"))
    assert visible(tmp_path / "largest") == ["a.png", "two.face-0.png"]
    second = protect_photos([folder], tmp_path / "second", replace(MOSAIC, face="1"))
    assert visible(tmp_path / "second") == ["two.face-1.png"]
    assert (second.exit_code, second.faces_found, second.faces_refused) == (4, 3, 1)
    assert "no face 1" in second.refused[0].reason


def test_the_order_of_the_chosen_faces_is_no_other_setting(twice: Image.Image, tmp_path: Path) -> None:
    twice.save(tmp_path / "two.png")
    first, second = (
        protect_photos([tmp_path / "two.png"], tmp_path / "out", replace(MOSAIC, face=chosen))
        for chosen in ("1,0", "0,1,01")
    )
    assert (first.protected, second.protected, second.done_before) == (1, 0, 1)


def test_a_face_that_is_too_small_is_refused_and_the_rest_protected(
    twice: Image.Image, tmp_path: Path
) -> None:
    twice.save(tmp_path / "two.png")
    summary = protect_photos(
        [tmp_path / "two.png"], tmp_path / "out", replace(MOSAIC, options=(("size", 256),))
    )
    assert (summary.faces_found, summary.faces_protected, summary.faces_refused, summary.exit_code) == (
        2,
        1,
        1,
        0,
    )
    assert "face 1 in 'two.png'" in summary.small_faces[0].reason
    told = summary.as_dict()
    assert (told["refused"], told["photos"]["refused"], len(told["refused_faces"])) == ([], 0, 1)
    assert visible(tmp_path / "out") == ["two.face-0.png"]
    small = tmp_path / "small.png"
    twice.resize((twice.width // 4, twice.height // 4)).save(small)
    for policy in ("error", "skip", "copy"):  # a face is there, so the photo is never copied
        refused = protect_photos(
            [small], tmp_path / policy, replace(MOSAIC, on_no_face=policy, options=(("size", 256),))
        )
        assert (refused.exit_code, refused.faces_protected, refused.copied) == (4, 0, 0)
        assert visible(tmp_path / policy) == []


def test_a_photo_without_a_face_lands_in_the_output_only_when_asked(album: Callable, tmp_path: Path) -> None:
    folder, out = album("a.jpg"), tmp_path / "out"
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "secret description"
    grey = np.full((150, 200, 3), 90, np.uint8)
    grey[0, 0] = 255
    Image.fromarray(grey).save(folder / "none.png", exif=exif)
    summary = protect_photos([folder], out, MOSAIC)
    assert (summary.exit_code, len(summary.refused), visible(out)) == (4, 1, ["a.png"])
    skipped = protect_photos([folder], out, replace(MOSAIC, on_no_face="skip"))
    assert (skipped.exit_code, skipped.skipped, skipped.done_before, visible(out)) == (0, 1, 1, ["a.png"])
    copied = protect_photos([folder], out, replace(MOSAIC, on_no_face="copy"))
    assert (copied.exit_code, copied.copied, copied.done_before, visible(out)) == (
        0,
        1,
        1,
        ["a.png", "none.unprotected.png"],
    )
    with Image.open(out / "none.unprotected.png") as picture:
        assert (picture.size, picture.info) == ((150, 200), {})  # upright, no metadata
        assert np.asarray(picture)[0, -1].tolist() == [255, 255, 255]
    certificate = read_certificate(out / "none.unprotected.png")
    assert (certificate.protection, certificate.guarantee.epsilon) == ("none", None)
    assert protect_photos([folder], out, replace(MOSAIC, on_no_face="copy")).copied == 1
    protect_photos([folder], out, replace(MOSAIC, on_no_face="skip"))  # no longer asked for
    assert visible(out) == ["a.png"]


def test_a_copy_keeps_its_name_only_where_nothing_is_to_be_seen_in_it(
    face: Image.Image, tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    hidden = face.convert("RGBA")
    hidden.putalpha(0)
    hidden.save(folder / "hidden.png")
    almost = np.full((40, 40, 3), 255, np.uint8)
    almost[20, 20, 1] = 254  # one value in one pixel is something to be seen
    Image.fromarray(almost).save(folder / "almost.png")
    summary = protect_photos([folder], out, replace(MOSAIC, on_no_face="copy"))
    assert (summary.copied, visible(out)) == (2, ["almost.unprotected.png", "hidden.png"])
    assert np.asarray(Image.open(out / "hidden.png")).min() == 255
    said = read_certificate(out / "hidden.png")
    assert (said.protection, said.guarantee.epsilon) == (
        "none",
        None,
    ) and "one colour" in said.guarantee.summary()
    assert "one colour" not in read_certificate(out / "almost.unprotected.png").guarantee.summary()


def test_what_cannot_be_read_is_refused_and_the_rest_done(album: Callable, tmp_path: Path) -> None:
    folder, out = album("a.jpg", "z.jpg"), tmp_path / "out"
    (folder / "broken.jpg").write_bytes((folder / "a.jpg").read_bytes()[:3000])
    (folder / "text.png").write_text("no photo")
    (folder / "gone.png").symlink_to(tmp_path / "nothing")
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    summary = protect_photos([folder], out, MOSAIC)
    assert (summary.protected, len(summary.refused), summary.exit_code) == (2, 4, 3)
    assert visible(out) == ["a.png", "z.png"]
    said = json.dumps(summary.as_dict())
    assert all(name in said for name in ("broken.jpg", "text.png", "gone.png", "HEIC"))


def test_the_output_may_lie_inside_the_input_and_never_on_it(album: Callable, tmp_path: Path) -> None:
    folder = album("a.png", "b/c.png")
    before = (folder / "a.png").read_bytes()
    for _ in range(2):
        assert protect_photos([folder], folder / "protected", MOSAIC).photos == 2
    with pytest.raises(SourceError, match="is the output folder"):
        protect_photos([folder], folder, MOSAIC)
    beside = protect_photos([folder / "a.png"], folder, MOSAIC)  # would replace the photo by its picture
    assert (beside.exit_code, beside.protected) == (5, 0)
    assert "not made from this photo" in beside.refused[0].reason
    assert (folder / "a.png").read_bytes() == before


def test_a_linked_photo_is_protected_once(album: Callable, tmp_path: Path) -> None:
    folder = album("a.jpg")
    (folder / "b.jpg").symlink_to("a.jpg")
    summary = protect_photos([folder], tmp_path / "out", MOSAIC)
    assert (summary.photos, visible(tmp_path / "out")) == (1, ["a.png"])
    assert "same file" in summary.notes[0]


def test_unprotected_pictures_are_kept_only_when_asked_and_apart(album: Callable, tmp_path: Path) -> None:
    folder, out = album("sub/a.jpg"), tmp_path / "out"
    protect_photos([folder], out, replace(MOSAIC, keep=("aligned",)))
    assert visible(out) == ["sub/a.png", "unprotected/sub/a.aligned.png"]
    with Image.open(out / "unprotected/sub/a.aligned.png") as picture:
        assert picture.size == (32, 32)
    with pytest.raises(ValueError, match="inverts nothing"):
        protect_photos([folder], tmp_path / "other", replace(MOSAIC, keep=("inverted",)))
    with pytest.raises(SourceError, match="rename that folder"):
        protect_photos([album("unprotected/a.jpg")], tmp_path / "third", replace(MOSAIC, keep=("aligned",)))


def test_a_fault_of_the_method_concerns_its_photo_only(
    album: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = album("a.jpg", "b.jpg", "c.jpg"), tmp_path / "out"
    real, calls = Blur.protect, 0

    def faulty(self: Blur, images: torch.Tensor, *, rng: torch.Generator | None = None) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("out of memory, say")
        return real(self, images, rng=rng)

    monkeypatch.setattr(Blur, "protect", faulty)
    summary = protect_photos([folder], out, Settings("blur", options=(("size", 32),)))
    assert (summary.protected, len(summary.refused), summary.exit_code) == (2, 1, 1)
    assert (
        "unexpected RuntimeError: out of memory, say; run it again with --debug" in summary.refused[0].reason
    )
    assert visible(out) == ["a.png", "c.png"]


def test_a_full_disk_ends_the_run_and_the_next_goes_on(
    album: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = album("a.jpg", "b.jpg"), tmp_path / "out"
    real, calls = written.save_png, 0

    def full(*arguments: object, **options: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OutputError("cannot write: no space left")
        real(*arguments, **options)

    with monkeypatch.context() as patch, pytest.raises(OutputError, match="no space"):
        patch.setattr(written, "save_png", full)
        protect_photos([folder], out, NOISE)
    assert visible(out) == ["a.png"]
    kept = (out / "a.png").read_bytes()
    again = protect_photos([folder], out, NOISE)
    assert (again.protected, again.done_before) == (1, 1)
    assert (out / "a.png").read_bytes() == kept


def test_a_photo_that_changes_while_it_is_read_is_refused(
    album: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = album("a.jpg")
    real = task.load_photo

    def meanwhile(path: str) -> object:
        photo = real(path)
        with open(path, "ab") as file:
            file.write(b"more")
        return photo

    monkeypatch.setattr(task, "load_photo", meanwhile)
    summary = protect_photos([folder], tmp_path / "out", MOSAIC)
    assert "changed while it was read" in summary.refused[0].reason
    assert visible(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"method": "dp-semcom"}, "no method that protects pictures"),
        ({"method": "blurr"}, "did you mean 'blur'"),
        ({"face": "biggest"}, "allowed: a number from 0"),
        ({"on_no_face": "copi"}, "did you mean 'copy'"),
        ({"keep": ("source",)}, "keep has no choice"),
    ],
)
def test_settings_name_what_is_allowed(wrong: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**{"method": "blur"} | wrong)


def test_what_is_left_of_photos_that_are_gone_is_named(album: Callable, tmp_path: Path) -> None:
    folder, out = album("a.jpg", "b.jpg", "c.jpg"), tmp_path / "out"
    assert protect_photos([folder], out, MOSAIC).notes == ()
    (folder / "b.jpg").rename(folder / "d.jpg")
    (folder / "c.jpg").unlink()
    summary = protect_photos([folder], out, MOSAIC)
    assert (summary.protected, summary.done_before) == (1, 1)
    assert len(summary.notes) == 2 and "'d.jpg' has the same content as 'b.jpg'" in summary.notes[1]
    assert summary.notes[0].startswith("'b.png' and 1 more in the output came from photos")
    assert visible(out) == ["a.png", "b.png", "c.png", "d.png"]
    assert protect_photos([folder / "a.jpg"], out, MOSAIC).notes == ()  # one photo says nothing of the rest
