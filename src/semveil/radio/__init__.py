# SPDX-License-Identifier: Apache-2.0
"""The radio layer of the link: waveforms, frames, recordings, and the digital baseline."""
