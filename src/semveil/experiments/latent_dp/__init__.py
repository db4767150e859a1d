# SPDX-License-Identifier: Apache-2.0
"""latent-dp's results [LDP]."""
