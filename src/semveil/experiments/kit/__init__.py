# SPDX-License-Identifier: Apache-2.0
"""Shared by all experiments: result descriptions, the driver, caching of results, statistics, plots, tables, photos."""
