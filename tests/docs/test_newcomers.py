# SPDX-License-Identifier: Apache-2.0
"""Newcomers' questions: each is on the page of questions, answered within two links of the start, and found by the search.

The search needs the built site: `make docs` builds it and names it in SEMVEIL_SITE.
"""

import json
import os
import re
from functools import cache
from pathlib import Path

import pytest
from docs.newcomers import QUESTIONS, Question
from docs.pages import anchors, links, text

SITE = os.environ.get("SEMVEIL_SITE")
SHOWN = 5  # results that a reader looks at
ids = [question.text for question in QUESTIONS]


def test_there_are_twenty():
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS) >= 20


def test_the_page_of_questions_has_these():
    asked = re.findall(r"^\*\*(.+?)\*\*", text("faq.md"), re.M)
    assert sorted(asked) == sorted(ids)


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_its_page_answers_it(question: Question):
    page, _, anchor = question.answer.partition("#")
    assert question.phrase in text(page)
    assert not anchor or anchor in anchors(page)
    (entry,) = re.findall(rf"^\*\*{re.escape(question.text)}\*\*(.*?)(?=\n\n|\Z)", text("faq.md"), re.M | re.S)
    target = {"results.md": "../results/README.md"}.get(page, page) + (f"#{anchor}" if anchor else "")
    assert f"]({target})" in entry


@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_it_is_within_two_links_of_the_start(question: Question):
    page = question.answer.partition("#")[0]
    first = links("index.md")
    assert page in {"index.md", *first, *(target for one in first for target in links(one))}


@cache
def index():
    """The site's search as browsers build it from the same file: titles count most."""
    lunr = pytest.importorskip("lunr")
    path = Path(SITE or "") / "search/search_index.json"
    documents = json.loads(path.read_text())["docs"]
    fields = [{"field_name": "title", "boost": 1000}, {"field_name": "text", "boost": 1}]
    return lunr.lunr(ref="location", fields=fields, documents=documents)


def results(words: str) -> list[str]:
    """Pages in the order of the search, each once; all words must occur, as in the site's search."""
    found = index().search(" ".join(f"+{word}" for word in words.split()))
    return list(dict.fromkeys(result["ref"].partition("#")[0] for result in found))


@pytest.mark.skipif(not SITE, reason="needs the built site: make docs")
@pytest.mark.parametrize("question", QUESTIONS, ids=ids)
def test_the_search_finds_it(question: Question):
    page = question.answer.partition("#")[0].replace(".md", ".html")
    assert page in results(question.search)[:SHOWN]


@pytest.mark.skipif(not SITE, reason="needs the built site: make docs")
def test_the_search_does_not_find_everything():
    assert results("zxqwv") == []
