# SPDX-License-Identifier: Apache-2.0
"""What all experiments share: the description of a result, the one driver, what is kept, statistics, plots, tables, photos."""
