# SPDX-License-Identifier: Apache-2.0
"""Exact sampling on public grids from the entropy of the operating system."""
