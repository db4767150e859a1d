# SPDX-License-Identifier: Apache-2.0
"""Sionna's channels; a file that imports this is skipped where they are not installed."""

import warnings

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    sionna = pytest.importorskip(
        "sionna.phy.channel", reason="needs sionna-no-rt: pip install 'semveil[channels]'"
    )
