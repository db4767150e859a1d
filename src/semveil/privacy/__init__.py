# SPDX-License-Identifier: Apache-2.0
"""Privacy claims as values: guarantees, coverage, certificates, ledger, composition and wording."""
