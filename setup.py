# SPDX-License-Identifier: Apache-2.0
"""What `pyproject.toml` cannot say: whether the wheel holds the models, so under which terms it comes;
the index's README.

`SEMVEIL_WITHOUT_MODELS=1 python -m build --wheel` makes a wheel of code alone, under Apache-2.0;
`packages/semveil-models` makes one of the models alone. Without the variable one wheel holds both.
"""

import os
import shutil
import sys
import tomllib
from pathlib import Path

from setuptools import setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))
from index_readme import index_readme  # noqa: E402

code_alone = os.environ.get("SEMVEIL_WITHOUT_MODELS", "") not in ("", "0")
if code_alone:  # what an earlier build left would go into this wheel too
    shutil.rmtree(ROOT / "build" / "lib" / "semveil" / "weights", ignore_errors=True)
settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["semveil"]
setup(
    license_expression="Apache-2.0" if code_alone else f"Apache-2.0 AND {settings['terms-of-models']}",
    package_data={"semveil": settings["data"] + ([] if code_alone else settings["models"])},
    long_description=index_readme(
        (ROOT / "README.md").read_text(encoding="utf-8"), base=settings["base-address"]
    ),
    long_description_content_type="text/markdown",
)
