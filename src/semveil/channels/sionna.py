# SPDX-License-Identifier: Apache-2.0
"""Import of Sionna's physical layer, which the extra `channels` installs."""

import warnings
from importlib import import_module
from typing import Any

from semveil.core.errors import SemveilError


class SionnaMissing(SemveilError):
    """Something of 5G needs the extra `channels`."""


def import_sionna(*modules: str, needed: str) -> Any:
    """Import modules of Sionna's physical layer.

    Args:
        *modules: names below `sionna.phy`.
        needed: subject and verb of the message if Sionna is missing, such as `5G codes need`.

    Returns:
        The package `sionna.phy`.

    Raises:
        SionnaMissing: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for module in modules:
                import_module(f"sionna.phy.{module}")
            return import_module("sionna.phy")
    except ImportError:
        raise SionnaMissing(
            f"{needed} sionna-no-rt; install it with: pip install 'semveil[channels]'"
        ) from None
