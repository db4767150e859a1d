# SPDX-License-Identifier: Apache-2.0
"""The tabs of the page: text, controls, and the function called by the button."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from semveil.core.progress import Progress
from semveil.methods.dp_semcom import DEFAULT_EPSILON
from semveil.models.face import FaceModel
from semveil.web import asked, html, link, protect
from semveil.web.asked import Asked

QUICK = "all quick ones that apply"
PRIVATE: dict[str, Any] = {"api_visibility": "private"}

_LINK = (
    "Each press is a new transmission with new noise, and a new key where Bob has one. If you really send a "
    "photo several\ntimes, the epsilons add up."
)
_PROTECT = (
    "The face alone, cut out and aligned, as the methods draw it; `semveil protect` puts it back into whole "
    "photos. A\npicture saved from here has its certificate inside (`semveil certify FILE`). Several "
    "releases about one person add up."
)
_ATTACK = (
    "The photo is sent anew, and every Eve hears the message over a channel of this SNR. All of them know "
    "the software\nand its models; what else each knows stands below her picture. `semveil attack` also "
    "trains networks, for a minute or two. That\nnone of them succeeds does not say that nobody does."
)


@dataclass(frozen=True)
class Tab:
    """A tab of the page.

    Attributes:
        name: name of its elements: the button is `sv-NAME-button`, the line below it `sv-NAME-line`, the
            result `sv-NAME`.
        about: text above the controls, in Markdown.
        button: label of the button.
        controls: creates the controls, in order.
        answer: yields the result as HTML, each version more complete than the last, from the photo (H, W, 3),
            the face, the values of the controls and a progress callback.
    """

    name: str
    about: str
    button: str
    controls: Callable[[], Sequence[Any]]
    answer: Callable[[NDArray[np.uint8], str, Sequence[Any], Progress], Iterator[str]]


def tabs(model: FaceModel) -> list[Tab]:
    """All tabs, from left to right.

    Args:
        model: loaded face model, for the link and the attacks.
    """

    def sent(photo: NDArray[np.uint8], face: str, values: Sequence[Any], told: Progress) -> Iterator[str]:
        keys, keyed, unkeyed, epsilon, bob_db, eve_db = values
        wanted = Asked(keys, keyed, unkeyed, epsilon, face)
        made = link.send_photo(photo, wanted, model=model, snr_db=bob_db, eve_snr_db=eve_db, progress=told)
        tried = link.try_attacks(made, model, eve_db, [link.attack_for(wanted.protection)], progress=told)
        yield link.show_link(made, tried)

    def protected(
        photo: NDArray[np.uint8], face: str, values: Sequence[Any], told: Progress
    ) -> Iterator[str]:
        made: list[html.Card] = []
        for card in protect.protect_by_all(photo, face=str(asked.one_face(face)), epsilon=values[0]):
            made.append(card)
            yield html.cards(made)

    def attacked(photo: NDArray[np.uint8], face: str, values: Sequence[Any], told: Progress) -> Iterator[str]:
        keys, keyed, unkeyed, epsilon, eve_db, name = values
        wanted = Asked(keys, keyed, unkeyed, epsilon, face)
        names = link.quick_attacks(wanted.protection) if name == QUICK else [name]
        made = link.send_photo(photo, wanted, model=model, eve_snr_db=eve_db, progress=told)
        yield link.show_attacks(made, link.try_attacks(made, model, eve_db, names, progress=told))

    return [
        Tab("link", _LINK, "Send", lambda: [*_message(), _snr("Bob"), _snr("Eve")], sent),
        Tab("protect", _PROTECT, "Protect", lambda: [_own_epsilon()], protected),
        Tab("attack", _ATTACK, "Attack", lambda: [*_message(), _snr("Eve"), _which_attack()], attacked),
    ]


def _message() -> list[Any]:
    """Controls for the fields of `Asked` other than the face."""
    with gr.Row():
        keys = gr.Radio(asked.KEYS, value=asked.WITH_KEY, label="Key", min_width=240)
        keyed = gr.Dropdown(asked.KEYED_CHOICES, value="rotation", label="Protection", min_width=240)
        unkeyed = gr.Dropdown(
            asked.OPEN_CHOICES, value="nn", label="Protection", visible=False, min_width=240
        )
    about = "Of nn it is the name of a trained pair, which guarantees nothing."
    epsilon = gr.Dropdown(
        asked.EPSILONS, value=int(DEFAULT_EPSILON), label="Epsilon", info=about, visible=False
    )

    def fit(with_key: str, without: str) -> tuple[Any, ...]:
        has_key = with_key == asked.WITH_KEY
        epsilon_too = asked.takes_epsilon(with_key, without)
        return gr.update(visible=has_key), gr.update(visible=not has_key), gr.update(visible=epsilon_too)

    for control in (keys, unkeyed):
        control.change(
            fit,
            [keys, unkeyed],
            [keyed, unkeyed, epsilon],
            show_progress="hidden",
            concurrency_limit=None,
            **PRIVATE,
        )
    return [keys, keyed, unkeyed, epsilon]


def _snr(party: str) -> Any:
    return gr.Slider(-10, asked.LARGEST_SNR, value=20, step=1, label=f"SNR of {party}, dB")


def _own_epsilon() -> Any:
    return gr.Dropdown(
        [protect.OWN, *map(str, asked.EPSILONS)],
        value=protect.OWN,
        label="Epsilon",
        info="Of the methods that take one. Each certificate says what it covers.",
    )


def _which_attack() -> Any:
    return gr.Dropdown([QUICK, *link.quick_attacks("nn")], value=QUICK, label="Attack")
