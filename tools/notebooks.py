# SPDX-License-Identifier: Apache-2.0
"""Make the notebooks of the examples: python tools/notebooks.py (needs the extra `docs`).

Cells get their place as id and no outputs, so that the same example gives the same file. Outputs would differ
in every run, since keys, nonces and release noise come from the operating system and cannot be seeded; they
would be text only, since the examples write their pictures to files; and they would need a Jupyter kernel
(nbclient, ipykernel), which the extra `docs` does without. The tests run the examples and check their output.
"""

from pathlib import Path

import jupytext
import nbformat

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = ("protect_batch", "link")


def make(name: str) -> Path:
    """The notebook of one example."""
    notebook = jupytext.read(EXAMPLES / f"{name}.py", fmt="py:percent")
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    for place, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{place}", {}
    target = EXAMPLES / "notebooks" / f"{name}.ipynb"
    target.parent.mkdir(exist_ok=True)
    nbformat.write(notebook, target)
    return target


if __name__ == "__main__":
    for made in map(make, NAMES):
        print(made)
