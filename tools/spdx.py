# SPDX-License-Identifier: Apache-2.0
"""The licence line: `python tools/spdx.py` puts it at the head of Python files without one; `--check` only
names them.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINE = "# SPDX-License-Identifier: Apache-2.0"
FOLDERS = ("src", "tests", "tools", "benchmarks", "examples")


def without_line() -> list[Path]:
    """Python files with no licence in their first three lines; empty ones need none."""
    files = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))] + [
        ROOT / "setup.py"
    ]
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    return [
        path
        for path, text in texts.items()
        if text.strip() and not any(LINE in line for line in text.split("\n")[:3])
    ]


def add_line(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    first, rest = text.split("\n", 1) if text.startswith("#!") else ("", text)
    path.write_text("\n".join(filter(None, (first, LINE))) + "\n" + rest, encoding="utf-8")


if __name__ == "__main__":
    found = without_line()
    for one in found:
        print(one.relative_to(ROOT))
        if "--check" not in sys.argv:
            add_line(one)
    sys.exit(bool(found) and "--check" in sys.argv)
