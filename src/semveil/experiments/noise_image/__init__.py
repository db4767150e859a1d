# SPDX-License-Identifier: Apache-2.0
"""Results of noise-image [NI]."""
