# SPDX-License-Identifier: Apache-2.0
"""`semveil train`: one verb for each network."""
