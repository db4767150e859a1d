# SPDX-License-Identifier: Apache-2.0
"""The methods, one file each (`dp_semcom`, `dp_image`, `latent_dp`, `identity_dp`, `noise_image`, `baselines`).

Four floors, each of which imports only from itself and from those before it (`tests/test_layers.py`): models
and what describes a method (`face_model`, `latent_model`, `options`, `release`, ...); the protections of
dp-semcom; the methods; and what is built on a method (`messages`, `digital`, `semantic_link`, `listing`).
`registry` finds a method by name; users call `semveil.load_method`.
"""
