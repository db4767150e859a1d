# SPDX-License-Identifier: Apache-2.0
"""Shared parts of all experiments: definitions, driver, cache of results, statistics, plots, tables."""
