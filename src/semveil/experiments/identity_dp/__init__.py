# SPDX-License-Identifier: Apache-2.0
"""Results of identity-dp [IDP], leakage outside its guarantee, and `semveil evaluate`."""
