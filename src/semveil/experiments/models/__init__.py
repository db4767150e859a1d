# SPDX-License-Identifier: Apache-2.0
"""Measurements for the model cards."""
