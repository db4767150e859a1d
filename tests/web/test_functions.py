# SPDX-License-Identifier: Apache-2.0
"""What is behind the buttons, on the astronaut."""

import re

import numpy as np
import pytest

from semveil.core.errors import NoFaceError
from semveil.methods.protections import PROTECTIONS
from semveil.methods.registry import image_methods
from semveil.models.face import FaceModel, load_model
from semveil.privacy.explain import explain
from semveil.web import held, link
from semveil.web.asked import (
    EPSILONS,
    KEYED_CHOICES,
    OPEN_CHOICES,
    WITH_KEY,
    WITHOUT_KEY,
    Asked,
    one_face,
    takes_epsilon,
)
from semveil.web.html import Card, cards
from semveil.web.protect import protect_by, protect_by_all

pytestmark = pytest.mark.slow

KEYED = [name for name, kind in PROTECTIONS.items() if kind.keyed]

GREY = np.full((120, 120, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model()


@pytest.fixture(scope="module")
def all_methods() -> dict[str, Card]:
    return {card.title: card for card in protect_by_all(held.astronaut().pixels)}


def test_every_protection_can_be_chosen_and_nothing_else() -> None:
    unbundled = {"nn-encrypted", "learned"}  # their pairs take minutes to train, for which no page waits
    assert {name for _, name in (*KEYED_CHOICES, *OPEN_CHOICES)} == set(PROTECTIONS) - unbundled
    assert {name for _, name in KEYED_CHOICES} == set(KEYED)


def test_epsilon_goes_along_only_where_it_means_something() -> None:
    assert Asked(WITH_KEY, "modulo", "laplace", 1).options() == {"protection": "modulo"}
    for typed in ("abc", "all", "0,1", "-1", "", None):
        with pytest.raises(ValueError, match="choose one from the menu"):
            one_face(typed)
    assert Asked(WITHOUT_KEY, "modulo", "laplace", 1).options() == {"protection": "laplace", "epsilon": 1.0}
    assert [name for _, name in OPEN_CHOICES if not takes_epsilon(WITHOUT_KEY, name)] == ["none"]


def test_the_pairs_of_all_epsilons_that_are_offered_are_bundled(model: FaceModel) -> None:
    from semveil.link.sender import sender

    for epsilon in EPSILONS:
        assert sender(model, protection="nn", train=False, epsilon=float(epsilon)).pair is not None


def test_an_adaptive_eve_undoes_the_papers_networks(model: FaceModel) -> None:
    sent = link.send_photo(held.astronaut().pixels, Asked(WITHOUT_KEY), model=model, eve_snr_db=40)
    tried = link.try_attacks(sent, model, 40, [link.attack_for("nn")])
    inverted = sent.result.inverted
    errors = [(images - inverted).square().mean() for images in (sent.eve, tried.results[0].images)]
    assert errors[1] < errors[0] / 4
    html = link.show_link(sent, tried)
    assert (
        html.count("<img") == 4
        and "nothing is guaranteed about this picture" in html
        and "2000 transmissions" in html
    )
    assert "nominal epsilon 10" in html


def test_under_a_key_the_certificate_is_the_librarys(model: FaceModel) -> None:
    sent = link.send_photo(held.astronaut().pixels, Asked(), model=model)
    names = link.quick_attacks("rotation")
    assert "stolen" not in names and "linear" in names and not set(link.SLOW) & set(names)
    # all that the page offers under a key
    html = link.show_attacks(sent, link.try_attacks(sent, model, 20, names))
    assert html.count("<img") == 1 + len(names)
    short = explain(sent.certificate)[0]
    assert "epsilon 0" in short and "computational" in short and short.removeprefix("In short:") in html
    assert not re.search(r"\bN (known )?transmissions", html)


def test_every_method_shows_a_picture_and_its_certificate(all_methods: dict[str, Card]) -> None:
    assert list(all_methods) == list(image_methods())
    for card in all_methods.values():
        assert card.pixels is not None and card.certificate is not None
        assert card.certificate.method == card.title
        assert explain(card.certificate)[0].removeprefix("In short:").split("(")[0].strip()[:30] in cards(
            [card]
        )
    claims = {
        title: card.certificate.guarantee.epsilon for title, card in all_methods.items() if card.certificate
    }
    assert claims["blur"] is None and claims["identity-dp"] == 1


def test_an_epsilon_goes_to_the_methods_that_take_one() -> None:
    photo = held.astronaut().pixels
    for name, epsilon in (("latent-dp", 100), ("identity-dp", 3)):
        card = protect_by(name, photo, epsilon=str(epsilon))
        assert card.certificate is not None and card.certificate.guarantee.epsilon == pytest.approx(epsilon)
        assert card.words == [f"Asked for: epsilon {epsilon}."]
    assert protect_by("blur", photo, epsilon="100").words == []


def test_what_one_method_refuses_stands_on_its_card() -> None:
    card = protect_by("noise-image", held.astronaut().pixels, epsilon="-1")
    assert card.pixels is None and "-1" in card.words[0]


def test_no_face_is_an_error_of_all_methods_together(model: FaceModel) -> None:
    with pytest.raises(NoFaceError):
        next(protect_by_all(GREY))
    with pytest.raises(NoFaceError):
        link.send_photo(GREY, Asked(), model=model)
