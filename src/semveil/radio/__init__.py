# SPDX-License-Identifier: Apache-2.0
"""The link as a radio has it: waveforms, frames, recordings of samples, and the digital link that it competes with."""
