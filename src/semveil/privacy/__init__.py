# SPDX-License-Identifier: Apache-2.0
"""Privacy claims as values: guarantees and their coverage, certificates, the ledger, composition, wording."""
