# SPDX-License-Identifier: Apache-2.0
"""Network blocks and fixed networks shared by several packages: layers, trunks, LPIPS, Inception.

This package may only import `core`; networks with a single purpose are in the package of that purpose
(`generators`, `recognition`, ...).
"""
