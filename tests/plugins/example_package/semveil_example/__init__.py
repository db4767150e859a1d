# SPDX-License-Identifier: Apache-2.0
"""An example of a package that adds to semveil: one noise law, one channel, one result."""
