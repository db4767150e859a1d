# SPDX-License-Identifier: Apache-2.0
"""What is audited, a file for each kind of target: its neighbouring inputs, its claim, the law of its outputs, planted faults.

Each file registers its targets by `semveil.audit.target.register_targets` and is found in this folder: a new target is one new
file. The files stand on `semveil.audit`, and nothing imports them by name but each other.
"""
