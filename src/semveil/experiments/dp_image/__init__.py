# SPDX-License-Identifier: Apache-2.0
"""Results of dp-image [DPI]."""
