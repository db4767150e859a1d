# SPDX-License-Identifier: Apache-2.0
"""What mkdocs does for the site beside rendering: pages from elsewhere in the repository, links, formulas,
lines of code.

The pages are plain Markdown that also reads well in the repository; everything particular to the site happens
here.
"""

import ast
import posixpath
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))
ELSEWHERE = {  # in the repository -> on the site
    "results/README.md": "results.md",
    "CHANGELOG.md": "changes.md",
    **{f"examples/{name}": f"examples/{name.removesuffix('.py')}.md" for name in EXAMPLES},
}
COMMANDS = ("cli", "experiments", "web")  # packages behind commands, which `--help` describes
PACKAGES = sorted({path.parent.name for path in (ROOT / "src/semveil").glob("*/__init__.py")} - set(COMMANDS))
# In the search, answers to questions come first, and pages that explain a word before the thousands of
# objects in the API.
BOOSTS = {"faq.md": 3.0, **{f"reference/{package}.md": 0.02 for package in PACKAGES}}

_FENCED = re.compile(r"(^ *```.*?^ *```\s*?$|``.+?``|`[^`\n]+`)", re.M | re.S)
_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s#]*)(#[^)\s]*)?\)")
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s:]+)\)")
_DISPLAY = re.compile(r"\n?\$\$(.+?)\$\$\n?", re.S)
_MATHS = re.compile(r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.S)
_NAMED = re.compile(r"`(semveil(?:\.\w+)+)`")


def base_address() -> str:
    """Where the repository can be read, with a slash at its end; empty while it has no address."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return settings.get("tool", {}).get("semveil", {}).get("base-address", "")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lists the packages' pages beside the page on the API, and the examples among the tutorials."""
    for entry in config.nav or []:
        if "Reference" in entry:
            pages = [{f"semveil.{package}": f"reference/{package}.md"} for package in PACKAGES]
            entry["Reference"][0] = {"API": ["reference/index.md", *pages]}
        if "Tutorials" in entry:
            entry["Tutorials"].extend(f"examples/{name.removesuffix('.py')}.md" for name in EXAMPLES)
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that lie elsewhere, pictures in them and in other pages, and a page of the API for each
    package.
    """
    homes = [f"docs/{file.src_uri}" for file in files if file.src_uri.endswith(".md")]
    for home in [*homes, *(one for one in ELSEWHERE if one.endswith(".md"))]:
        for _, target in _IMAGE.findall((ROOT / home).read_text()):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
            if not path.startswith("docs/") and files.get_file_from_path(path) is None:
                files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
    for source, page in ELSEWHERE.items():
        text = (ROOT / source).read_text()
        files.append(
            File.generated(config, page, content=_example_page(text) if source.endswith(".py") else text)
        )
    for package in PACKAGES:
        files.append(File.generated(config, f"reference/{package}.md", content=_package_page(package)))
    return files


def _example_page(text: str) -> str:
    """An example's cells: Markdown as it is, Python as code."""
    _, *cells = re.split(r"^# %%(.*)\n", text, flags=re.M)
    parts = []
    for kind, body in zip(cells[::2], cells[1::2], strict=True):
        if "[markdown]" in kind:
            parts.append(re.sub(r"^# ?", "", body.strip(), flags=re.M))
        else:
            parts.append(f"```python\n{body.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def _package_page(package: str) -> str:
    """A heading for each module, in which each object stands once, where it is defined."""
    home = ROOT / "src/semveil" / package
    about = ast.get_docstring(ast.parse((home / "__init__.py").read_text())) or ""
    modules = [
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
        for path in sorted(home.rglob("*.py"))
        if not path.name.startswith("_")
    ]
    shown = (
        "    options: {show_root_heading: true, show_root_toc_entry: true, show_root_full_path: true, "
        "heading_level: 2}"
    )
    sections = "\n\n".join(f"::: {name}\n{shown}" for name in modules)
    return f"# semveil.{package}\n\n{about}\n\n{sections}"


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that leave the docs, formulas on lines of their own, where a named object is written; what the
    search prefers.
    """
    place = page.file.src_uri
    page.meta.setdefault("search", {"boost": BOOSTS.get(place, 1.0)})
    home = {page: source for source, page in ELSEWHERE.items()}.get(place, f"docs/{place}")
    if place == "equations.md":
        markdown = _NAMED.sub(lambda found: _object(found[1]), markdown)
    if place == "reference/index.md":
        markdown = _NAMED.sub(lambda found: _public(found[1]), markdown)
    parts = _FENCED.split(_links(markdown, home, place))
    return "".join(
        part if index % 2 else _DISPLAY.sub(r"\n\n$$\1$$\n\n", part) for index, part in enumerate(parts)
    )


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Formulas as MathML, which browsers set without a script; source code stays out of the search, which it
    would slow.
    """
    html = html.replace(
        '<details class="mkdocstrings-source"', '<details data-search-exclude class="mkdocstrings-source"'
    )
    return _MATHS.sub(lambda found: _mathml(found[2], found[1] == "div"), html)


def _links(markdown: str, home: str, place: str) -> str:
    """`home` is the page's path in the repository, `place` on the site."""

    def moved(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        if not target or re.match(r"[a-z]+:", target):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
        on_site = ELSEWHERE.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if on_site:
            return f"[{text}]({posixpath.relpath(on_site, posixpath.dirname(place) or '.')}{anchor})"
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"{home} links to {target}, which does not exist")
        return f"[{text}]({base_address()}{path})" if base_address() else text

    def shown(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(home), found[2]))
        on_site = posixpath.relpath(path.removeprefix("docs/"), posixpath.dirname(place) or ".")
        return f"![{found[1]}]({on_site})"

    return _IMAGE.sub(shown, _LINK.sub(moved, markdown))


def _mathml(tex: str, display: bool) -> str:
    plain = tex.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return convert(plain, display="block" if display else "inline")


def _object(name: str) -> str:
    """A link to the object's page in the API, with file and line."""
    path, line = locate(name)
    return f"[`{name.removeprefix('semveil.')}`][{name}]<br><small>{path}:{line}</small>"


def _public(name: str) -> str:
    """A link to a package's page, or to where a public name is defined."""
    own = name.removeprefix("semveil.")
    return f"[`{name}`]({own}.md)" if own in PACKAGES else f"[`{name}`][{name}]"


def locate(name: str) -> tuple[str, int]:
    """File, from the repository's root, and line where a dotted name is defined.

    Raises:
        LookupError: no module defines it.
    """
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT / "src" / Path(*parts[:count])
        file = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
        if file.is_file():
            line = 1
            body: list[ast.stmt] = ast.parse(file.read_text()).body
            for part in parts[count:]:
                found = next((node for node, own in _definitions(body) if own == part), None)
                if found is None:
                    raise LookupError(f"{name} is not defined in {file.relative_to(ROOT)}")
                line, body = found.lineno, getattr(found, "body", [])
            return file.relative_to(ROOT).as_posix(), line
    raise LookupError(f"{name} names no module")


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[ast.stmt, str]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node, node.name
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node, node.target.id
        elif isinstance(node, ast.Assign):
            yield from ((node, target.id) for target in node.targets if isinstance(target, ast.Name))
