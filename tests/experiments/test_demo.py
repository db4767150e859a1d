# SPDX-License-Identifier: Apache-2.0
"""The demo writes a figure, a JSON and a page that stands alone."""

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from semveil.experiments.demo.demo import demo, quality


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> tuple[Path, str, list[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEMVEIL_HOME", str(tmp_path_factory.mktemp("home")))
        out, console, stages = tmp_path_factory.mktemp("demo"), Console(file=io.StringIO(), width=80), []
        demo(
            out / "made",
            seed=3,
            model=str(tiny_model),
            progress=lambda *s: stages.append(s[0]),
            console=console,
        )
    return out / "made", console.file.getvalue(), stages


def test_the_result_keeps_the_public_contract(shown: tuple[Path, str, list[str]]) -> None:
    result = json.loads((shown[0] / "result.json").read_text())
    assert {"config", "seeds", "versions", "images"} <= result.keys() and result["seeds"] == {"channel": 3}
    assert {"source", "guarantee", "guarantee_text", "direct", "bob", "eve"} <= result["keyed"].keys()
    assert [image["nominal_epsilon"] for image in result["images"]] == [1, 10, 15, 300, 800]
    for image in result["images"]:
        assert {"source", "guarantee", "direct", "bob", "eve"} <= image.keys()
        assert image["guarantee"]["basis"] == "none" and "basis: none" in image["guarantee_text"]
        assert image["bob"]["lpips"] is None and image["bob"]["lpips_reason"]
        assert image["direct"] == result["images"][0]["direct"]  # the same channel noise at every budget


def test_under_a_key_all_codes_are_hidden_and_bob_sees_the_photo(shown: tuple[Path, str, list[str]]) -> None:
    result = json.loads((shown[0] / "result.json").read_text())
    keyed = result["keyed"]
    assert (
        keyed["protection"] == "rotation"
        and keyed["private_codes"] == list(range(28))
        and keyed["nominal_epsilon"] is None
    )
    claim = keyed["guarantee"]
    assert (claim["basis"], claim["epsilon"], claim["whole_record_epsilon"]) == ("computational", 0, 0)
    assert 0 < claim["delta"] < 1e-5
    assert keyed["bob"]["psnr_to_inversion"] > keyed["eve"]["psnr_to_inversion"] + 6
    assert all(
        keyed["bob"]["psnr_to_inversion"] > image["bob"]["psnr_to_inversion"] for image in result["images"]
    )


def test_the_figure_is_large_and_carries_nothing_but_pixels(shown: tuple[Path, str, list[str]]) -> None:
    with Image.open(shown[0] / "demo.png") as picture:
        assert picture.width > 1000 and set(picture.info) <= {"dpi"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")
        ]


def test_the_page_loads_nothing_from_elsewhere(shown: tuple[Path, str, list[str]]) -> None:
    text = (shown[0] / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert len(page.links) == 15 and all(link.startswith("data:image/png;base64,") for link in page.links)
    assert not {"script", "link", "iframe"} & set(page.tags) and "@import" not in text and "url(" not in text
    assert "color-scheme: light dark" in text and "LPIPS was not measured" in text


def test_no_epsilon_stands_without_nominal_true_or_a_basis(shown: tuple[Path, str, list[str]]) -> None:
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", (shown[0] / "report.html").read_text(), flags=re.DOTALL)
    for found in re.finditer(r"ε|epsilon", text):
        # a plain word stands between epsilon and basis
        around = text[max(0, found.start() - 20) : found.end() + 70]
        assert re.search(r"nominal|true|no finite|basis", around), around


def test_the_table_names_the_basis_of_every_row(shown: tuple[Path, str, list[str]]) -> None:
    lines = shown[1].splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.rstrip() for line in lines if re.search(r"^ +nn, nominal (1|10|15|300|800) ", line)]
    assert len(rows) == 5 and all(row.endswith("none (none)") for row in rows)
    last = lines.index(next(line for line in lines if "rotation, key" in line))
    assert "epsilon 0: as good as it gets (computational)" in " ".join(" ".join(lines[last:]).split())
    assert all("…" not in line for line in lines)
    assert "invert" in shown[2] and shown[2][-1] == "transmit"


def test_a_metric_never_stands_under_anothers_name() -> None:
    assert quality({"lpips": None, "psnr": 21.0}).startswith("PSNR")
    assert quality({"lpips": 0.5, "psnr": 21.0}) == "LPIPS .500"
