# SPDX-License-Identifier: Apache-2.0
"""The pages of the docs: links lead somewhere, every page can be reached, the tables of equations and of odds
are true.
"""

import importlib
import math
import re
import tomllib
from functools import reduce

import pytest
from docs.pages import DOCS, ROOT, anchors, links, pages, source, targets, text
from PIL import Image
from skimage.data import astronaut

import semveil


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files_and_headings_that_exist(page):
    by_file = {source(one).relative_to(ROOT).as_posix(): one for one in pages()}
    for path, anchor in targets(page):
        assert (ROOT / path).exists(), path
        if anchor and path in by_file:
            assert anchor in anchors(by_file[path]), f"{path}#{anchor}"


def test_every_page_can_be_reached_from_the_start():
    reached, new = set(), {"index.md"}
    while new:
        reached |= new
        new = {target for page in new for target in links(page)} - reached
    assert set(pages()) == reached


def test_every_page_stands_in_the_navigation_once():
    listed = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2])
    assert sorted(listed) == sorted(pages())


def objects() -> list[str]:
    return re.findall(r"`(semveil(?:\.\w+)+)`", text("equations.md"))


@pytest.mark.parametrize("name", objects())
def test_each_equation_has_an_object(name):
    assert found(name) is not None


def test_an_object_that_is_not_there_is_noticed():
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        found("semveil.mechanisms.additive.laplace.Laplace.nothing")


def found(name: str) -> object:
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name):
                raise
            continue
        return reduce(getattr, parts[count:], module)
    raise ModuleNotFoundError(name)


def test_the_page_on_the_api_lists_all_public_names():
    listed = set(re.findall(r"`semveil\.(\w+)`", text("reference/index.md").partition("| package |")[0]))
    assert listed == set(semveil.__all__)


def test_each_paper_has_a_table_of_equations():
    methods = {path.stem for path in (DOCS / "methods").glob("*.md")}
    assert set(re.findall(r"^## (\S+) \[", text("equations.md"), re.M)) == methods


def test_the_page_on_citing_has_the_papers_of_the_methods_pages():
    cited = " ".join(re.sub(r"[{}]", "", text("citing.md")).split())
    for path in sorted((DOCS / "methods").glob("*.md")):
        authors, title = re.match(r"# .*\n\n(.*?), \*(.*?)\*", path.read_text(), re.S).groups()
        assert " ".join(title.split()) in cited
        assert " and ".join(" ".join(authors.split()).split(", ")) in cited


def test_odds_are_those_of_the_definition():
    rows = re.findall(r"^\| ([\d.]+) \| ([\d.]+) % \|", text("epsilon.md"), re.M)
    assert len(rows) >= 6
    for epsilon, percent in rows:
        decimals = len(percent.partition(".")[2])
        assert round(100 / (1 + math.exp(-float(epsilon))), decimals) == float(percent)


def test_the_site_takes_nothing_from_elsewhere():
    settings = (ROOT / "mkdocs.yml").read_text()
    assert "font: false" in settings and not re.search(r"https?://", settings)
    assert not re.search(r"url\(|@import", (DOCS / "site.css").read_text())


def test_how_to_pages_show_code_that_runs():
    for page, count in (("how-to/mechanism.md", 1), ("how-to/channel.md", 1), ("how-to/generator.md", 2)):
        assert len(run_blocks(page)) == count


def run_blocks(page: str) -> list[str]:
    """Runs a page's Python blocks in order, with common names."""
    blocks = re.findall(r"```python\n(.*?)```", text(page), re.S)
    names: dict[str, object] = {"__name__": page}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
    return blocks


def test_the_page_on_pytorch_shows_code_that_runs(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        Image.fromarray(astronaut()).save(tmp_path / "photos" / f"{name}.jpg")
    assert len(run_blocks("how-to/torch.md")) == 2
    printed = capsys.readouterr().out
    assert "2 faces, 128 px" in printed and "('a.jpg', 'b.jpg')" in printed


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def registries_as_they_were():
    from semveil.mechanisms import MECHANISMS

    entries = dict(MECHANISMS._entries)
    yield
    MECHANISMS._entries.clear()
    MECHANISMS._entries.update(entries)


def test_there_is_one_setting_for_the_base_address():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert settings["tool"]["semveil"]["base-address"] == ""
