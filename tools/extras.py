# SPDX-License-Identifier: Apache-2.0
"""Whether each extra can be installed alone: pip makes a plan of it, and installs nothing. Arguments go to
pip.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main(flags: list[str]) -> int:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    failed = 0
    for extra in extras:
        plan = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--dry-run",
            "--disable-pip-version-check",
            *flags,
        ]
        done = subprocess.run([*plan, f"{ROOT}[{extra}]"], capture_output=True, text=True)
        print(f"{extra:12}", "can be installed" if done.returncode == 0 else done.stderr.strip())
        failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
