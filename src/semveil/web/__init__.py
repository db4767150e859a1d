# SPDX-License-Identifier: Apache-2.0
"""A page in the browser over the library's own calls: the link, protection by every method, and attacks."""
