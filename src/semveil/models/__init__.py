# SPDX-License-Identifier: Apache-2.0
"""Trained models on disk: face, identity and noise-image models, priors, bounds and cached inversions."""
