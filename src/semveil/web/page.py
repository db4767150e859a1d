# SPDX-License-Identifier: Apache-2.0
"""The page: what is on it, and which function each button calls."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from semveil.core.errors import SemveilError
from semveil.methods.dp_semcom import DEFAULT_EPSILON
from semveil.methods.face_model import FaceModel
from semveil.web import asked, held, html, link, protect
from semveil.web.asked import Asked
from semveil.web.limits import LARGEST_FILE, SESSIONS, WAITING

QUICK = "all quick ones that apply"
FACES = [("the largest", asked.LARGEST_FACE), *((str(number), str(number)) for number in range(10))]
CSS = Path(__file__).with_name("page.css")
_ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "photo", "concurrency_limit": 1}
_PRIVATE: dict[str, Any] = {"api_visibility": "private"}

_PROGRESS = gr.Progress()  # gradio gives each call one of its own

_HEAD = """# semveil
What Bob sees of a face, what Eve makes of it, and what is guaranteed. Alice, Bob, Eve and their channels are simulated on the
machine that runs this page; it sends nothing elsewhere. **Guaranteed is what a certificate here says, and nothing else**:
that a face looks like another one, or that a recogniser takes it for another person, guarantees nothing."""
_PHOTO = f"""Up to {LARGEST_FILE >> 20} MB. An uploaded file is deleted when it has been read, within a minute at the latest.
Your browser keeps the photo until the page is closed or loaded anew, and sends it along with each press of a button. Whoever
runs this machine could read it."""
_LINK = """Each press is a new transmission with new noise, and a new key where Bob has one. If you really send a photo several
times, the epsilons add up."""
_PROTECT = """The face alone, cut out and aligned, as the methods draw it; `semveil protect` puts it back into whole photos. A
picture saved from here has its certificate inside (`semveil certify FILE`). Several releases about one person add up."""
_ATTACK = """The photo is sent anew, and every Eve hears the message over a channel of this SNR. All of them know the software
and its models; what else each knows stands below her picture. `semveil attack` also trains networks, for a minute or two. That
none of them succeeds does not say that nobody does."""


def build(model: FaceModel, uploads: Path) -> gr.Blocks:
    """The page.

    Args:
        model: loaded; of the link and the attacks.
        uploads: folder that gradio puts uploads into.
    """
    with gr.Blocks(title="semveil", analytics_enabled=False) as page:
        gr.Markdown(_HEAD, elem_id="sv-head")
        photo = gr.Textbox(visible=False)  # the browser keeps it; see `held`
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                upload = gr.File(label="Photo", show_label=False, height=130, elem_id="sv-upload")
                take = gr.Button("Take the astronaut", size="sm", elem_id="sv-astronaut")
                preview = gr.HTML(elem_classes="sv-slot")
                about = gr.HTML(elem_id="sv-about", elem_classes="sv-slot")
                face = gr.Dropdown(FACES, value=asked.LARGEST_FACE, label="Face", info="0 is the largest.")
                gr.Markdown(_PHOTO)
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                with gr.Tab("Link"):
                    _link_tab(model, photo, face)
                with gr.Tab("Protect"):
                    _protect_tab(photo, face)
                with gr.Tab("Attack"):
                    _attack_tab(model, photo, face)

        def dropped(path: str | None) -> tuple[Any, ...]:
            if path is None:
                return None, gr.skip(), gr.skip(), gr.skip()
            return None, *_taken(lambda: held.read_upload(path, uploads))

        # Uploads are read in a lane of their own, so that none waits behind computations until it is swept.
        shown = [upload, photo, preview, about]
        upload.upload(dropped, upload, shown, concurrency_id="upload", concurrency_limit=1, **_PRIVATE)
        take.click(lambda: _taken(held.astronaut), None, shown[1:], concurrency_id="upload", **_PRIVATE)
    page.state_session_capacity = SESSIONS
    return page.queue(max_size=WAITING, default_concurrency_limit=1)


def _taken(read: Callable[[], held.Held]) -> tuple[str, str, str]:
    """Text of the photo, its preview, and a line."""
    try:
        one = read()
    except SemveilError as error:
        return "", "", html.error_line(str(error))
    text = held.to_text(one)
    return text, html.preview(text), html.note_line("; ".join(one.notes))


def _answer(work: Callable[[], str]) -> tuple[str, str]:
    """A line, and what is shown below it: what went wrong, or the result."""
    try:
        return "", work()
    except (SemveilError, ValueError) as error:
        return _refusal(error), ""
    except MemoryError:
        return html.error_line("there is not enough memory on this machine; use a smaller photo"), ""


def _refusal(error: Exception) -> str:
    return html.error_line(str(error).replace("'array'", "the photo"))  # as the library calls a photo that is no file


def _message_controls() -> list[Any]:
    """Controls of what `Asked` holds beside the face."""
    with gr.Row():
        keys = gr.Radio(asked.KEYS, value=asked.WITH_KEY, label="Key", min_width=240)
        keyed = gr.Dropdown(asked.KEYED_CHOICES, value="rotation", label="Protection", min_width=240)
        unkeyed = gr.Dropdown(asked.OPEN_CHOICES, value="nn", label="Protection", visible=False, min_width=240)
    about = "Of nn it is the name of a trained pair, which guarantees nothing."
    epsilon = gr.Dropdown(asked.EPSILONS, value=int(DEFAULT_EPSILON), label="Epsilon", info=about, visible=False)

    def fit(with_key: str, without: str) -> tuple[Any, ...]:
        has_key = with_key == asked.WITH_KEY
        epsilon_too = asked.takes_epsilon(with_key, without)
        return gr.update(visible=has_key), gr.update(visible=not has_key), gr.update(visible=epsilon_too)

    for control in (keys, unkeyed):
        control.change(
            fit, [keys, unkeyed], [keyed, unkeyed, epsilon], show_progress="hidden", concurrency_limit=None, **_PRIVATE
        )
    return [keys, keyed, unkeyed, epsilon]


def _snr(party: str) -> Any:
    return gr.Slider(-10, asked.LARGEST_SNR, value=20, step=1, label=f"SNR of {party}, dB")


def _link_tab(model: FaceModel, photo: Any, face: Any) -> None:
    gr.Markdown(_LINK)
    message = _message_controls()
    bob, eve = _snr("Bob"), _snr("Eve")
    button = gr.Button("Send", variant="primary", elem_id="sv-send")
    line, shown = gr.HTML(elem_id="sv-link-line", elem_classes="sv-slot"), gr.HTML(elem_id="sv-link", min_height=80)

    def send(
        text: str,
        chosen: str,
        keys: str,
        keyed: str,
        unkeyed: str,
        epsilon: float,
        bob_db: float,
        eve_db: float,
        progress: gr.Progress = _PROGRESS,
    ) -> tuple[str, str]:
        def work() -> str:
            wanted, told = Asked(keys, keyed, unkeyed, epsilon, chosen), _told(progress)
            pixels = held.from_text(text)
            sent = link.send_photo(pixels, wanted, model=model, snr_db=bob_db, eve_snr_db=eve_db, progress=told)
            tried = link.try_attacks(sent, model, eve_db, [link.attack_for(wanted.protection)], progress=told)
            return link.show_link(sent, tried)

        return _answer(work)

    button.click(send, [photo, face, *message, bob, eve], [line, shown], **_ONE_AT_A_TIME, **_PRIVATE)


def _protect_tab(photo: Any, face: Any) -> None:
    gr.Markdown(_PROTECT)
    choices = [protect.OWN, *map(str, asked.EPSILONS)]
    epsilon = gr.Dropdown(
        choices,
        value=protect.OWN,
        label="Epsilon",
        info="Of the methods that take one. Each certificate says what it covers.",
    )
    button = gr.Button("Protect", variant="primary", elem_id="sv-protect-button")
    line, shown = gr.HTML(elem_id="sv-protect-line", elem_classes="sv-slot"), gr.HTML(elem_id="sv-protect", min_height=80)

    def by_all(text: str, chosen: str, wanted: str) -> Iterator[tuple[str, str]]:
        made: list[html.Card] = []
        try:
            for card in protect.protect_by_all(held.from_text(text), face=chosen, epsilon=wanted):
                made.append(card)
                yield "", html.cards(made)
        except (SemveilError, ValueError) as error:
            yield _refusal(error), ""

    button.click(by_all, [photo, face, epsilon], [line, shown], **_ONE_AT_A_TIME, **_PRIVATE)


def _attack_tab(model: FaceModel, photo: Any, face: Any) -> None:
    gr.Markdown(_ATTACK)
    message, eve = _message_controls(), _snr("Eve")
    which = gr.Dropdown([QUICK, *link.quick_attacks("nn")], value=QUICK, label="Attack")
    button = gr.Button("Attack", variant="primary", elem_id="sv-attack-button")
    line, shown = gr.HTML(elem_id="sv-attack-line", elem_classes="sv-slot"), gr.HTML(elem_id="sv-attack", min_height=80)

    def attack(
        text: str,
        chosen: str,
        keys: str,
        keyed: str,
        unkeyed: str,
        epsilon: float,
        eve_db: float,
        name: str,
        progress: gr.Progress = _PROGRESS,
    ) -> tuple[str, str]:
        def work() -> str:
            wanted, told = Asked(keys, keyed, unkeyed, epsilon, chosen), _told(progress)
            names = link.quick_attacks(wanted.protection) if name == QUICK else [name]
            sent = link.send_photo(held.from_text(text), wanted, model=model, eve_snr_db=eve_db, progress=told)
            tried = link.try_attacks(sent, model, eve_db, names, progress=told)
            return link.show_attacks(sent, tried)

        return _answer(work)

    button.click(attack, [photo, face, *message, eve, which], [line, shown], **_ONE_AT_A_TIME, **_PRIVATE)


def _told(progress: gr.Progress) -> Callable[[str, int, int], None]:
    """The library's progress on the page."""
    return lambda stage, done, total: progress(done / total if total else None, desc=stage)
