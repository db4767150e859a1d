# SPDX-License-Identifier: Apache-2.0
"""Docstrings as mkdocstrings reads them: its sections are called `Examples`, where the package writes
`Example`.
"""

import re
from typing import Any

import griffe

_HEADING = re.compile(r"^Example:$", re.M)


class Examples(griffe.Extension):
    """Makes `Example:` a section whose `>>>` lines are shown as code."""

    def on_instance(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = _HEADING.sub("Examples:", obj.docstring.value)
