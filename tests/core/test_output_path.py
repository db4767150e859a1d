# SPDX-License-Identifier: Apache-2.0
"""An empty output path is refused; the current folder has a name of its own."""

from pathlib import Path

import pytest

from semveil.core.errors import OutputError
from semveil.core.output_path import output_path


def test_an_empty_path_is_refused_and_the_current_folder_is_not() -> None:
    with pytest.raises(OutputError, match="ledger is empty"):
        output_path("", "ledger")
    assert output_path(".") == output_path(Path(".")) == Path()
    assert output_path(None) is None
