# SPDX-License-Identifier: Apache-2.0
"""Protection methods, one file each, and what is built on them.

The methods are `dp_semcom`, `dp_image`, `latent_dp`, `identity_dp`, `noise_image` and `baselines`. Four
layers, each of which imports only from itself and from those before it (`tests/test_layers.py`): models and
descriptions of methods (`latent_model`, `options`, `release`, ...); the protections of dp-semcom; the
methods; and what is built on a method (`messages`, `digital`, `semantic_link`, `listing`). `registry` finds a
method by name; users call `semveil.load_method`.
"""
