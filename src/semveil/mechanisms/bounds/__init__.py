# SPDX-License-Identifier: Apache-2.0
"""Bounds on records: the clip box, sensitivities, quantiles and weights."""
