# SPDX-License-Identifier: Apache-2.0
"""The page: the photo, the menu of its faces, and the tabs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from semveil.core.errors import SemveilError
from semveil.models.face import FaceModel
from semveil.web import asked, held, html
from semveil.web.face_menu import ONE_FACE, faces_of, menu
from semveil.web.limits import LARGEST_FILE, SESSIONS, WAITING
from semveil.web.tabs import PRIVATE, Tab, tabs

CSS = Path(__file__).with_name("page.css")
_ONE_AT_A_TIME: dict[str, Any] = {"concurrency_id": "photo", "concurrency_limit": 1}

_PROGRESS = gr.Progress()  # gradio passes each call its own

_HEAD = (
    "# semveil\n"
    "What Bob sees of a face, what Eve makes of it, and what is guaranteed. Alice, Bob, Eve and their "
    "channels are simulated on the\nmachine that runs this page; it sends nothing elsewhere. **Guaranteed "
    "is what a certificate here says, and nothing else**:\nthat a face looks like another one, or that a "
    "recogniser takes it for another person, guarantees nothing."
)
_PHOTO = (
    f"Up to {LARGEST_FILE >> 20} MB. An uploaded file is deleted when it has been read, within a minute at "
    "the latest.\nYour browser keeps the photo until the page is closed or loaded anew, and sends it along "
    "with each press of a button. Whoever\nruns this machine could read it."
)


def build(model: FaceModel, uploads: Path) -> gr.Blocks:
    """Build the page.

    Args:
        model: loaded face model, for the link and the attacks.
        uploads: folder for gradio's uploads.

    Returns:
        gradio's page.
    """
    with gr.Blocks(title="semveil", analytics_enabled=False) as page:
        gr.Markdown(_HEAD, elem_id="sv-head")
        photo = gr.Textbox(visible=False)  # stored in the browser; see `held`
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                upload = gr.File(label="Photo", show_label=False, height=130, elem_id="sv-upload")
                take = gr.Button("Take the astronaut", size="sm", elem_id="sv-astronaut")
                preview = gr.HTML(elem_classes="sv-slot")
                about = gr.HTML(elem_id="sv-about", elem_classes="sv-slot")
                # Custom values, because gradio's copy of the choices is dropped when the session is idle.
                face = gr.Dropdown(
                    ONE_FACE,
                    value=asked.LARGEST_FACE,
                    label="Face, by size",
                    allow_custom_value=True,
                    visible=False,
                    elem_id="sv-face",
                )
                gr.Markdown(_PHOTO)
            with gr.Column(scale=3, min_width=320), gr.Tabs():
                results = [part for tab in tabs(model) for part in _place(tab, photo, face)]
        empty = [""] * len(results)  # another photo's results go: they would seem to be of this one

        def dropped(path: str | None) -> tuple[Any, ...]:
            if path is None:
                return None, *[gr.skip()] * (4 + len(results))
            return None, *_taken(lambda: held.read_upload(path, uploads)), *empty

        # Uploads have their own queue, so that none waits behind computations until it is deleted.
        shown = [upload, photo, preview, about, face, *results]
        upload.upload(dropped, upload, shown, concurrency_id="upload", concurrency_limit=1, **PRIVATE)
        take.click(
            lambda: (*_taken(held.astronaut), *empty), None, shown[1:], concurrency_id="upload", **PRIVATE
        )
    page.state_session_capacity = SESSIONS
    return page.queue(max_size=WAITING, default_concurrency_limit=1)


def _place(tab: Tab, photo: Any, face: Any) -> tuple[Any, Any]:
    """Add a tab to the page, connect its button to its function, and return its line and its result."""
    with gr.Tab(tab.name.capitalize()):
        gr.Markdown(tab.about)
        controls = tab.controls()
        button = gr.Button(tab.button, variant="primary", elem_id=f"sv-{tab.name}-button")
        line = gr.HTML(elem_id=f"sv-{tab.name}-line", elem_classes="sv-slot")
        shown = gr.HTML(elem_id=f"sv-{tab.name}", min_height=80)

        def press(progress: gr.Progress = _PROGRESS, *given: Any) -> Iterator[tuple[str, str]]:
            text, chosen, *values = given
            try:
                for answer in tab.answer(held.from_text(text), chosen, values, _told(progress)):
                    yield "", answer
            except (SemveilError, ValueError) as error:
                yield _refusal(error), ""
            except MemoryError:
                yield html.error_line("there is not enough memory on this machine; use a smaller photo"), ""

        button.click(press, [photo, face, *controls], [line, shown], **_ONE_AT_A_TIME, **PRIVATE)
    return line, shown


def _taken(read: Callable[[], held.Held]) -> tuple[str, str, str, Any]:
    """Text of the photo, its preview, a message, and the menu of its faces."""
    try:
        one = read()
        faces = faces_of(one.pixels)
    except SemveilError as error:
        return (
            "",
            "",
            html.error_line(str(error)),
            gr.update(choices=ONE_FACE, value=asked.LARGEST_FACE, visible=False),
        )
    text, several = held.to_text(one), len(faces) > 1
    height, width, _ = one.pixels.shape
    boxes = [face.box for face in faces] if several else []
    return (
        text,
        html.preview(text, (width, height), boxes),
        html.note_line("; ".join([*one.notes, *([] if faces else ["no face is found in it"])])),
        gr.update(choices=menu(faces, width), value=asked.LARGEST_FACE, visible=several),
    )


def _refusal(error: Exception) -> str:
    # the library's name for a photo that is not a file
    return html.error_line(str(error).replace("'array'", "the photo"))


def _told(progress: gr.Progress) -> Callable[[str, int, int], None]:
    """Callback that shows the library's progress on the page."""
    return lambda stage, done, total: progress(done / total if total else None, desc=stage)
