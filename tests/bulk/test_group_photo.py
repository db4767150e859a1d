# SPDX-License-Identifier: Apache-2.0
"""identity-dp with the bundled model changes who is in a group photo, and nothing else."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from semveil.bulk.run import protect_photos
from semveil.bulk.settings import Settings
from semveil.data.certified import read_certificate
from semveil.data.faces import find_faces
from semveil.data.paste import Circle, align_apart, paste_faces
from semveil.data.photos import load_photo
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.keys.secret import Secret, write_secret
from semveil.methods.identity_dp import IdentityDP
from semveil.recognition import DlibVerifier, measured_threshold


@pytest.fixture
def group(twice: Image.Image, tmp_path: Path) -> Path:
    twice.save(tmp_path / "group.png")
    return tmp_path / "group.png"


def test_who_is_shown_changes_and_nothing_else(group: Path, face: Image.Image, tmp_path: Path) -> None:
    key, people = tmp_path / "faces.key", tmp_path / "people"
    # a pseudonym is the same each time; noise might hit upon the person again
    write_secret(key, Secret(bytes([2] * 32)))
    people.mkdir()
    face.save(people / "eileen.png")
    settings = Settings("identity-dp", options=(("pseudonym", str(key)),), enrolled=str(people))
    summary = protect_photos([group], tmp_path / "out", settings)
    assert (summary.exit_code, summary.faces_protected, summary.faces_left, summary.strangers) == (0, 2, 0, 0)

    before, after = load_photo(group), load_photo(tmp_path / "out/group.png")
    places = find_faces(before, thorough=True)
    size = IdentityDP(pseudonym=str(key)).size
    crops = align_apart(before.pixels, [place.landmarks for place in places], size)
    rows, columns = np.mgrid[: before.pixels.shape[0], : before.pixels.shape[1]] + 0.5
    around = np.ones(rows.shape, bool)
    for circle in map(Circle.of, crops):
        around &= np.hypot(rows - circle.y, columns - circle.x) > 0.46 * circle.side
    assert around.mean() > 0.5 and (before.pixels[around] == after.pixels[around]).all()

    again = find_faces(after, thorough=True)
    centres = [[(f.box[0] + f.box[2]) / 2, (f.box[1] + f.box[3]) / 2] for f in (*places, *again)]
    assert len(again) == 2 and np.abs(np.array(centres[:2]) - centres[2:]).max() < 12

    verifier = DlibVerifier(threshold=measured_threshold("dlib", resolution=128).threshold)

    def seen(pixels: np.ndarray) -> torch.Tensor:
        cut = align_apart(pixels, [place.landmarks for place in places], size)
        return verifier.embed(to_tensor([crop.pixels for crop in cut]))

    source, new = seen(before.pixels), seen(after.pixels)
    assert not verifier.same(source, new).any()
    assert verifier.same(new[:1], new[1:]).all()  # one subject, one new face
    method = IdentityDP(pseudonym=str(key))
    own = list(to_pixels(method.reconstruct(to_tensor([crop.pixels for crop in crops]))))
    rebuilt = seen(paste_faces(before.pixels, crops, own))
    assert (verifier.similarity(source, rebuilt) > verifier.similarity(source, new) + 0.2).all()
    # with the old identity all is as before, by its author's threshold
    assert DlibVerifier().same(source, rebuilt).all()


def test_each_face_has_its_epsilon_and_the_photo_none(group: Path, tmp_path: Path) -> None:
    settings = Settings("identity-dp", options=(("epsilon", 6.0),))
    claim = protect_photos([group], tmp_path / "out", settings).guarantee
    assert claim is not None and (claim.epsilon, claim.basis.value) == (
        pytest.approx(6.0, rel=1e-6),
        "proved",
    )
    assert claim.whole_record_epsilon is None and len(claim.not_covered) == 4  # with the outline
    caveats = {caveat.value for caveat in read_certificate(tmp_path / "out/group.png").caveats}
    assert {"attributes", "paste-back"} <= caveats
