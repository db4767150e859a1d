# SPDX-License-Identifier: Apache-2.0
"""Newcomers' questions: each is on the page of questions, answered within two links of the start, and found
by the search.

The search needs the built site: `make docs` builds it and names it in SEMVEIL_SITE.
"""

import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from docs.newcomers import QUESTIONS, Question
from docs.pages import anchor_of, anchors, links, text

SITE = os.environ.get("SEMVEIL_SITE")
SHOWN = 5  # results that a reader looks at
ids = [question.text for question in QUESTIONS]


def test_there_are_twenty():
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS) >= 20


def test_the_page_of_questions_has_these():
    asked = re.findall(r"^### (.+)$", text("faq.md"), re.M)
    assert sorted(asked) == sorted(ids)


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_its_page_answers_it(question: Question):
    page, _, anchor = question.answer.partition("#")
    assert question.phrase in text(page)
    assert not anchor or anchor in anchors(page)
    (entry,) = re.findall(rf"^### {re.escape(question.text)}\n(.*?)(?=^#|\Z)", text("faq.md"), re.M | re.S)
    target = {"results.md": "../results/README.md"}.get(page, page) + (f"#{anchor}" if anchor else "")
    assert f"]({target})" in entry


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_it_is_within_two_links_of_the_start(question: Question):
    page = question.answer.partition("#")[0]
    first = links("index.md")
    assert page in {"index.md", *first, *(target for one in first for target in links(one))}


@cache
def site() -> dict[str, Any]:
    return json.loads((Path(SITE or "") / "search/search_index.json").read_text())


@cache
def index() -> Any:
    """The site's search, built as browsers build it:
    from the same file, with its filters, fields and boosts.
    """
    builder = pytest.importorskip("lunr.builder").Builder()
    from lunr.stop_word_filter import stop_word_filter

    assert site()["config"]["pipeline"] == ["stopWordFilter"]
    builder.pipeline.add(stop_word_filter)
    builder.search_pipeline.add(stop_word_filter)
    builder.ref("location")
    for name, settings in site()["config"]["fields"].items():
        builder.field(
            name, boost=settings["boost"], extractor=lambda entry, name=name: plain(entry.get(name, ""))
        )
    for entry in site()["docs"]:
        builder.add(entry, {"boost": entry.get("boost", 1)})
    return builder.build()


def plain(html: str | list[str]) -> str:
    return re.sub(r"<[^>]+>", " ", html) if isinstance(html, str) else " ".join(html)


def results(words: str) -> list[str]:
    """Pages and headings in the search's order: those with more of the words, and whole pages, count up to
    five times.
    """
    asked = [word for word in re.sub(r"[^\w\s-]", " ", words.lower()).split()]
    scored = []
    for found in index().search(" ".join(asked)):
        share = len(found["match_data"].metadata) / len(asked)
        scored.append((found["score"] * (1 + (("#" not in found["ref"]) + share) ** 2), found["ref"]))
    return [ref for _, ref in sorted(scored, reverse=True)]


def first_pages(refs: list[str]) -> list[str]:
    return list(dict.fromkeys(ref.partition("#")[0] for ref in refs))[:SHOWN]


@pytest.mark.skipif(not SITE, reason="needs the built site: make docs")
@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_the_search_finds_it(question: Question):
    page = question.answer.partition("#")[0].replace(".md", ".html")
    assert page in first_pages(results(question.search))
    asked = results(question.text)
    assert f"faq.html#{anchor_of(question.text)}" in asked[:SHOWN] or page in first_pages(asked)


@pytest.mark.skipif(not SITE, reason="needs the built site: make docs")
def test_the_search_does_not_find_everything():
    assert results("zxqwv") == []
