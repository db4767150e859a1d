# SPDX-License-Identifier: Apache-2.0
"""Pseudonyms: one face for a subject and a key, spread evenly, of no photo; and identity-dp with them."""

import hmac
import math
from pathlib import Path

import pytest
import torch
from scipy import stats

from semveil.core.errors import KeyProblem
from semveil.keys.keystream import KeyStream
from semveil.keys.secret import Secret, write_secret
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.pseudonym import Pseudonyms
from semveil.models.identity import IdentityModel
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate
from semveil.privacy.guarantee import Basis

KEY = bytes(range(32))
MODEL = IdentityModel.example()
FALSE_ALARM = 1e-5


@pytest.fixture
def key(tmp_path: Path) -> Path:
    write_secret(tmp_path / "desk.key", Secret(KEY))
    return tmp_path / "desk.key"


def test_published_vector() -> None:
    """By HKDF written out (RFC 5869); nothing of it may change, or pseudonyms that are in use change."""
    vector = Pseudonyms(Secret(KEY)).identities(["Ada"], 4)[0]
    extracted = hmac.digest(bytes(32), KEY, "sha256")
    normals = KeyStream(
        hmac.digest(extracted, b'["semveil pseudonym",1,"identity","ada",4]\x01', "sha256")
    ).normals(4)
    assert vector.tolist() == pytest.approx((normals / math.hypot(*normals)).tolist(), abs=1e-7)
    assert vector.tolist() == pytest.approx([0.3349306, -0.1988223, -0.7357856, 0.5539953], abs=1e-7)


def test_key_and_subject_decide_and_nothing_else() -> None:
    one, other = (Pseudonyms(Secret(bytes([i]) * 32)) for i in range(2))
    ada, bo, again = one.identities(["Ada", "Bo", " ADA"], 16)
    assert torch.equal(ada, again) and not torch.equal(ada, bo)
    assert not torch.equal(ada, other.identities(["Ada"], 16)[0])
    assert not torch.equal(ada[:8], one.identities(["Ada"], 8)[0] * ada[:8].norm())
    assert one.key_id != other.key_id and len(one.key_id) == 64
    with pytest.raises(ValueError, match="needs a name"):
        one.identities(["  "], 8)


def test_vectors_of_many_subjects_are_uniform_on_the_sphere() -> None:
    vectors = Pseudonyms(Secret(bytes(32))).identities([str(i) for i in range(4000)], 5).double()
    assert vectors.norm(dim=1).allclose(torch.ones(4000).double(), atol=1e-6)
    law = stats.beta(2, 2, loc=-1, scale=2)  # of a coordinate in 5 dimensions
    assert all(stats.kstest(vectors[:, i].numpy(), law.cdf).pvalue > FALSE_ALARM for i in range(5))
    assert stats.kstest(vectors[:, 0].numpy(), stats.norm(0, 0.4).cdf).pvalue < FALSE_ALARM


def test_photos_of_a_subject_show_the_same_person_and_no_claim_is_made(key: Path) -> None:
    method = IdentityDP(MODEL, pseudonym=str(key))
    assert method.needs_subjects and not IdentityDP(MODEL).needs_subjects
    photos = torch.linspace(-0.9, 0.8, 3 * 48).view(3, 3, 4, 4)
    release = method.protect(photos, subjects=["ada lovelace", "bo", "Ada Lovelace"])
    assert release.latents is not None
    assert torch.equal(release.latents[0], release.latents[2]) and not torch.equal(
        release.latents[0], release.latents[1]
    )
    assert release.guarantee.epsilon is None and release.guarantee.basis == Basis.NONE
    assert "linked" in release.guarantee.reason
    made = method.certificate(release)
    assert {Caveat.LINKABLE, Caveat.ATTRIBUTES} <= set(made.caveats)
    assert Caveat.KEY not in made.caveats, "the key opens no photo"
    assert Certificate.from_json(made.to_json()) == made
    for secret in (str(key), KEY.hex(), "lovelace"):
        assert secret.lower() not in made.to_json().lower()
    assert made.protection == "pseudonym" and made.mechanism is None and made.nominal_epsilon is None


def test_another_key_is_another_method(key: Path, tmp_path: Path) -> None:
    write_secret(tmp_path / "other.key", Secret(bytes(32)))
    digests = {IdentityDP(MODEL, pseudonym=str(path)).model_digest for path in (key, tmp_path / "other.key")}
    assert len({*digests, MODEL.digest}) == 3


def test_subjects_are_needed_one_for_each_crop(key: Path) -> None:
    method = IdentityDP(MODEL, pseudonym=str(key))
    with pytest.raises(ValueError, match="needs the name"):
        method.protect(torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match="2 crops with 1 subjects"):
        method.protect(torch.zeros(2, 3, 4, 4), subjects=["ada"])
    with pytest.raises(ValueError, match="nothing to perturb"):
        method.perturb(torch.eye(4))
    with pytest.raises(KeyProblem):
        IdentityDP(MODEL, pseudonym=str(key.parent / "missing.key"))
