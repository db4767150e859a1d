# SPDX-License-Identifier: Apache-2.0
"""Mechanisms on the unit sphere: their laws, caps, cosines and tails."""
