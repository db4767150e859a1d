# SPDX-License-Identifier: Apache-2.0
"""dp-semcom's results [DPSC], and what is measured of its link beyond the paper."""
