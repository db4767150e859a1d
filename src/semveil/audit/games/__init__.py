# SPDX-License-Identifier: Apache-2.0
"""What is audited, a file for each kind of target: its neighbouring inputs, its claim, the law of its outputs, planted faults.

The files stand on the floor below, `semveil.audit`; only `semveil.audit.run` imports them.
"""
