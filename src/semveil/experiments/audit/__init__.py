# SPDX-License-Identifier: Apache-2.0
"""`semveil audit`: every mechanism, method and composition in the distinguishing game."""
