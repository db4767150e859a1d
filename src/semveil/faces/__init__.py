# SPDX-License-Identifier: Apache-2.0
"""Faces as arrays: the aligned template, face parts and their boxes, pixels and tensors."""
