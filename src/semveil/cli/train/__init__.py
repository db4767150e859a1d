# SPDX-License-Identifier: Apache-2.0
"""`semveil train`: one command per network."""
