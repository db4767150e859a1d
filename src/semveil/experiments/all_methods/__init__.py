# SPDX-License-Identifier: Apache-2.0
"""Results that compare all methods."""
