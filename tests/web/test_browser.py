# SPDX-License-Identifier: Apache-2.0
"""The page in Chromium, driven by Playwright: `make test-all`, where both and gradio are installed."""

import base64
import io
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from chromium import CHROMIUM, FLAGS
from PIL import Image
from skimage.data import astronaut

import semveil
from semveil.faces.pixels import to_pixels

SRC = Path(__file__).resolve().parents[2] / "src"
PATIENCE = 300_000  # ms, of a busy machine


def missing() -> str | None:
    """Why no browser can be had; None where one can."""
    if not os.environ.get("SEMVEIL_TEST_ALL"):
        return "runs under `make test-all`"
    if CHROMIUM is None:
        return "needs Chromium: apt-get install chromium"
    for package in ("gradio", "playwright"):
        if find_spec(package) is None:
            return f"needs {package}: pip install 'semveil[web]' playwright"
    return None


pytestmark = [
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
    pytest.mark.filterwarnings("ignore"),
]


@dataclass(frozen=True)
class Served:
    """Attributes: address of the page; folder that holds its folder of uploads; its process."""

    address: str
    temporary: Path
    process: subprocess.Popen[str]

    def uploads(self) -> Path:
        (folder,) = self.temporary.glob("semveil-web-*")
        return folder

    def files(self) -> list[Path]:
        """All that lies in the folder of uploads."""
        return [path for path in self.uploads().rglob("*") if path.is_file() and path.stat().st_size]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    temporary = tmp_path_factory.mktemp("tmp")
    environment = {
        **os.environ,
        "TMPDIR": str(temporary),
        "SEMVEIL_HOME": str(tmp_path_factory.mktemp("home")),
        "PYTHONPATH": str(SRC),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "semveil", "web", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        (address,) = re.findall(r"http://\S+", process.stdout.readline())
        yield Served(address, temporary, process)
        process.kill()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


def elsewhere(page: Any, address: str) -> list[str]:
    """A list that fills with all that the page asks of other hosts."""
    found: list[str] = []

    def seen(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.netloc != urlsplit(address).netloc:
            found.append(request.url)

    page.on("request", seen)
    return found


@pytest.fixture
def page(served: Served, chromium: Any) -> Iterator[Any]:
    """The page, freshly opened by a new user; it may ask nothing of another host."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    foreign = elsewhere(page, served.address)
    page.goto(served.address)
    page.wait_for_selector("#sv-astronaut")
    yield page
    context.close()
    assert foreign == []


def library_crop(photo: Image.Image, number: int) -> Image.Image:
    """The crop of a face, in grey, as the library makes it."""
    faces = semveil.load_faces(np.asarray(photo), size=64, face=number)
    return Image.fromarray(to_pixels(faces.images)[0]).convert("L")


def drop(page: Any, path: Path) -> None:
    page.set_input_files("#sv-upload input[type=file]", str(path))


def take_astronaut(page: Any) -> None:
    page.click("#sv-astronaut")
    page.wait_for_selector(".sv-preview")


def test_a_request_to_another_host_would_be_seen(chromium: Any, served: Served) -> None:
    page = chromium.new_page()
    foreign = elsewhere(page, served.address)
    page.set_content('<img src="http://192.0.2.1/font.woff2">', wait_until="commit")
    page.wait_for_timeout(500)
    page.close()
    assert foreign == ["http://192.0.2.1/font.woff2"]


def test_the_browser_refuses_to_fetch_from_elsewhere(served: Served, chromium: Any) -> None:
    page = chromium.new_page()
    page.goto(served.address)
    blocked = page.evaluate(
        """() => new Promise(done => {
            document.addEventListener('securitypolicyviolation', event => done(event.blockedURI));
            const image = new Image(); image.src = 'https://192.0.2.1/pixel.png'; document.body.append(image);
        })"""
    )
    page.close()
    assert blocked.startswith("https://192.0.2.1")


def test_the_link(page: Any) -> None:
    take_astronaut(page)
    page.click("#sv-link-button")
    page.wait_for_selector("#sv-link .sv-card")
    assert page.locator("#sv-link .sv-card h3").all_inner_texts() == [
        "The photo's face",
        "Bob",
        "Eve",
        "Adaptive Eve",
    ]
    assert "epsilon 0" in page.inner_text("#sv-link .sv-certificate p")
    assert page.evaluate("[...document.querySelectorAll('#sv-link img')].every(one => one.naturalWidth > 0)")
    page.get_by_label("no key").check()
    page.click("#sv-link-button")
    page.wait_for_function("document.querySelector('#sv-link').innerText.includes('nothing is guaranteed')")


def test_another_photo_takes_the_results_of_the_last_one_away(page: Any, tmp_path: Path) -> None:
    take_astronaut(page)
    page.get_by_role("tab", name="Protect").click()
    page.click("#sv-protect-button")
    page.wait_for_function("document.querySelectorAll('#sv-protect .sv-card').length == 9")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    drop(page, tmp_path / "wall.png")
    page.wait_for_function("document.querySelectorAll('#sv-protect .sv-card').length == 0")
    page.click("#sv-protect-button")
    page.wait_for_selector("#sv-protect-line .sv-error")
    take_astronaut(page)
    page.wait_for_selector("#sv-protect-line .sv-error", state="detached")


def test_one_of_several_faces_is_chosen_by_the_number_on_it(page: Any, tmp_path: Path) -> None:
    take_astronaut(page)
    assert not page.locator("#sv-face").is_visible() and not page.locator(".sv-preview svg").count()
    small = Image.fromarray(astronaut()[:256, 100:356])
    two = Image.new("RGB", (900, 420), (150, 160, 170))
    two.paste(small.resize((400, 400)), (10, 10))
    two.paste(small.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((240, 240)), (620, 100))
    two.save(tmp_path / "two.png")
    drop(page, tmp_path / "two.png")
    page.wait_for_selector(".sv-preview svg")
    assert page.locator(".sv-preview text").all_text_contents() == ["0", "1"]
    page.click("#sv-face input")
    page.get_by_role("option", name=re.compile("1: .* on the right")).click()
    page.click("#sv-link-button")
    page.wait_for_selector("#sv-link .sv-card")
    source = page.locator("#sv-link img").first.get_attribute("src")
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).convert("L"), float)
    both = [library_crop(two, number) for number in (0, 1)]
    near = [
        np.corrcoef(shown.ravel(), np.asarray(face.resize(shown.shape[::-1]), float).ravel())[0, 1]
        for face in both
    ]
    assert near[1] > 0.9 > near[0]


def test_every_method_side_by_side(page: Any) -> None:
    take_astronaut(page)
    page.get_by_role("tab", name="Protect").click()
    page.click("#sv-protect-button")
    page.wait_for_function("document.querySelectorAll('#sv-protect .sv-card').length == 9")
    assert page.locator("#sv-protect img").count() == 9
    page.click("#sv-protect details summary")
    assert "Validity" in page.inner_text("#sv-protect details")


def test_attacks(page: Any) -> None:
    take_astronaut(page)
    page.get_by_role("tab", name="Attack").click()
    page.click("#sv-attack-button")
    page.wait_for_selector("#sv-attack .sv-card")
    names = page.locator("#sv-attack .sv-card h3").all_inner_texts()
    assert names[0] == "The photo's face" and {"direct", "linear"} < set(names)


def test_what_cannot_be_used_is_one_line(page: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("no photo")
    drop(page, tmp_path / "notes.jpg")
    page.wait_for_selector("#sv-about .sv-error")
    assert page.inner_text("#sv-about").startswith("'notes.jpg' is not a photo")
    (tmp_path / "large.png").write_bytes(os.urandom(17 << 20))
    drop(page, tmp_path / "large.png")
    page.wait_for_selector("text=exceed the maximum allowed size")
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(tmp_path / "wall.png")
    drop(page, tmp_path / "wall.png")
    page.wait_for_selector(".sv-preview")
    page.click("#sv-link-button")
    page.wait_for_selector("#sv-link-line .sv-error")
    assert page.inner_text("#sv-link-line").startswith("no face found in the photo")
    assert not page.locator("#sv-link img").count()


def test_uploads_are_private_and_gone_when_they_are_read(page: Any, served: Served, tmp_path: Path) -> None:
    assert served.uploads().stat().st_mode & 0o777 == 0o700
    Image.fromarray(astronaut()).save(tmp_path / "anna.png")
    drop(page, tmp_path / "anna.png")
    page.wait_for_selector(".sv-preview")
    assert served.files() == []


def test_another_user_sees_nothing_of_it(page: Any, served: Served, chromium: Any) -> None:
    take_astronaut(page)
    other = chromium.new_context().new_page()
    other.set_default_timeout(PATIENCE)
    other.goto(served.address)
    other.click("#sv-link-button")
    other.wait_for_selector("#sv-link-line .sv-error")
    assert other.inner_text("#sv-link-line").startswith("there is no photo yet")
    assert not other.locator(".sv-preview").count()
    other.context.close()


def test_a_phone_shows_it_without_scrolling_sideways(served: Served, chromium: Any) -> None:
    context = chromium.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.goto(served.address)
    page.wait_for_selector("#sv-astronaut")
    take_astronaut(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("document.body.classList.contains('dark')")
    context.close()


def test_an_upload_that_nobody_reads_is_gone_within_a_minute_and_cannot_be_fetched(served: Served) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="anna.png"\r\n\r\nsecret\r\n--x--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"{served.address}/gradio_api/upload", body, headers)
    with urllib.request.urlopen(request) as answer:
        (path,) = re.findall(r'"([^"]+anna.png)"', answer.read().decode())
    began = time.monotonic()
    assert [file.read_bytes() for file in served.files()] == [b"secret"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"{served.address}/gradio_api/file={path}")
    while served.files():
        assert time.monotonic() - began < 60
        time.sleep(0.5)


def test_nothing_is_left_when_it_ends(served: Served) -> None:
    folder = served.uploads()
    (folder / "unread.jpg").write_bytes(b"secret")
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(timeout=60) == 128 + signal.SIGTERM
    assert not folder.exists()
