# SPDX-License-Identifier: Apache-2.0
"""identity-dp's results [IDP], what its guarantee leaves open, and `semveil evaluate`."""
