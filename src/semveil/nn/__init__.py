# SPDX-License-Identifier: Apache-2.0
"""Network blocks and fixed networks that several packages use: layers, trunks, LPIPS, Inception.

Only `core` may be imported here; a network that serves one purpose lives with that purpose (`generators`,
`recognition`, ...).
"""
