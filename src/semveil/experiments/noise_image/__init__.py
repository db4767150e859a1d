# SPDX-License-Identifier: Apache-2.0
"""noise-image's results [NI]."""
