# SPDX-License-Identifier: Apache-2.0
"""Web page over the library's own calls: the link, protection by every method, and attacks."""
