# SPDX-License-Identifier: Apache-2.0
"""Additive noise: Laplace, L2-Laplace, Gaussian and per-coordinate Laplace."""
