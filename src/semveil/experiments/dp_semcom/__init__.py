# SPDX-License-Identifier: Apache-2.0
"""Results of dp-semcom [DPSC], and measurements of its link beyond the paper."""
