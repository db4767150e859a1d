# SPDX-License-Identifier: Apache-2.0
"""The built site in Chromium: what its search answers, that it asks no other host, that it fits a phone.

It needs the site that `make docs` builds and names in SEMVEIL_SITE, Playwright and Chromium.
"""

import functools
import http.server
import os
import threading
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from chromium import CHROMIUM, FLAGS
from docs.newcomers import QUESTIONS, Question
from docs.pages import anchor_of, pages

SITE = os.environ.get("SEMVEIL_SITE")
SHOWN = 5  # results that a reader looks at
PATIENCE = 120_000  # ms, of a busy machine
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}

missing = [
    *([] if SITE else ["the built site: make docs"]),
    *([] if CHROMIUM else ["Chromium: apt-get install chromium"]),
    *([] if find_spec("playwright") else ["playwright: pip install playwright"]),
]
pytestmark = [
    pytest.mark.skipif(bool(missing), reason="needs " + ", ".join(missing)),
    pytest.mark.filterwarnings("ignore"),
]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Any:
    """The start page on a desk, with its search's index loaded."""
    opened = browser.new_page(viewport=DESK)
    opened.set_default_timeout(PATIENCE)
    opened.goto(address + "index.html")
    opened.locator("input.md-search__input").click()
    search(opened, "semveil")
    return opened


def search(page: Any, words: str) -> list[str]:
    """Types words into the box of the search; what it lists, in its order, from the site's root, with
    anchors.
    """
    box, said = page.locator("input.md-search__input"), page.query_selector(".md-search-result__meta")
    for text, answer in (("", "^Type"), (words, "^No|matching")):
        box.fill(text)
        box.press("End")  # the site searches when a key is let go
        page.wait_for_function("([said, answer]) => RegExp(answer).test(said.innerText)", arg=[said, answer])
    found = page.eval_on_selector_all(
        "a.md-search-result__link", "all => all.map(one => one.pathname.slice(1) + one.hash)"
    )
    return list(dict.fromkeys(found))


def first_pages(found: list[str]) -> list[str]:
    return list(dict.fromkeys(one.partition("#")[0] for one in found))[:SHOWN]


@pytest.mark.parametrize("question", QUESTIONS, ids=[question.text for question in QUESTIONS])
def test_the_search_answers_words_and_whole_questions(page: Any, question: Question) -> None:
    answer = question.answer.partition("#")[0].replace(".md", ".html")
    assert answer in first_pages(search(page, question.search))
    asked = search(page, question.text.replace('"', ""))  # in quotes a word must occur as it is
    assert f"faq.html#{anchor_of(question.text)}" in asked
    assert {"faq.html", answer} & set(first_pages(asked))


def test_the_search_finds_nothing_where_there_is_nothing(page: Any) -> None:
    assert search(page, "zxqwv") == []


@pytest.mark.parametrize("view", [PHONE, DESK], ids=["phone", "desk"])
def test_no_page_asks_another_host_fails_to_load_or_scrolls_sideways(
    browser: Any, address: str, view: dict[str, int]
) -> None:
    context = browser.new_context(viewport=view)
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    asked: list[tuple[str, int]] = []
    opened.on("response", lambda response: asked.append((response.url, response.status)))
    wide = []
    for name in [*pages(), "reference/core.md", "examples/link.md"]:
        opened.goto(address + name.replace(".md", ".html"))
        if opened.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(name)
    context.close()
    assert not wide
    assert [one for one in asked if not one[0].startswith((address, "data:")) or one[1] >= 400] == []


def test_a_request_to_another_host_would_be_seen(browser: Any, address: str) -> None:
    opened = browser.new_page()
    asked: list[str] = []
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(address + "index.html")
    opened.evaluate("fetch('http://127.0.0.1:9/elsewhere').catch(() => 0)")
    assert "http://127.0.0.1:9/elsewhere" in asked
