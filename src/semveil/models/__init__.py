# SPDX-License-Identifier: Apache-2.0
"""Trained models on disk: face, identity and conversion models, their cards, priors, quantile bounds and kept inversions."""
