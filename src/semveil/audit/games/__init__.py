# SPDX-License-Identifier: Apache-2.0
"""Audit targets, one module per kind: neighbouring inputs, claim, law of the outputs, planted faults.

Each module registers its targets with `semveil.audit.target.register_targets` and is discovered in this
package, so a new target is one new module. The modules depend on `semveil.audit`, and only import each other
by name.
"""
