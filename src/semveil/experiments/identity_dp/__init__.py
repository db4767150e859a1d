# SPDX-License-Identifier: Apache-2.0
"""Results of identity-dp [IDP], the leakage outside its guarantee, and `semveil evaluate`."""
