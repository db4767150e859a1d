# SPDX-License-Identifier: Apache-2.0
"""`semveil demo`: one photo, two receivers."""
