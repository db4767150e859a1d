# SPDX-License-Identifier: Apache-2.0
"""dp-image's results [DPI]."""
