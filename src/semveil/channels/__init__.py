# SPDX-License-Identifier: Apache-2.0
"""Channels between Alice, Bob and Eve: packing, power, channel models, receivers and the message file."""

from semveil.channels.awgn import awgn, noise_power
from semveil.channels.channel import AWGN, Channel, ChannelState, ClippedAWGN, Heard
from semveil.channels.container import MessageError
from semveil.channels.digital_message import DigitalMessage, digital_bytes, is_digital, read_digital
from semveil.channels.fading import OFDM, Fading
from semveil.channels.keyed_part import KeyedPart
from semveil.channels.links import CHANNELS, Bandwidth, ChannelKind, bandwidth, channel_of, parse_link
from semveil.channels.message import FORMAT_VERSION, Message, message_bytes, read_message, write_message
from semveil.channels.offsets import PhaseOffset, TimingOffset
from semveil.channels.packing import bandwidth_ratio, code_blocks, pack, unpack
from semveil.channels.pilots import Pilots
from semveil.channels.power import (
    GAIN_BITS,
    denormalise_power,
    denormalise_power_blocks,
    normalise_power,
    normalise_power_blocks,
)
from semveil.channels.receiver import Link
from semveil.channels.side_bits import side_bits
from semveil.channels.wiretap import WiretapOutput, wiretap

__all__ = [
    "AWGN",
    "CHANNELS",
    "FORMAT_VERSION",
    "GAIN_BITS",
    "OFDM",
    "Bandwidth",
    "Channel",
    "ChannelKind",
    "ChannelState",
    "ClippedAWGN",
    "DigitalMessage",
    "Fading",
    "Heard",
    "KeyedPart",
    "Link",
    "Message",
    "MessageError",
    "PhaseOffset",
    "Pilots",
    "TimingOffset",
    "WiretapOutput",
    "awgn",
    "bandwidth",
    "bandwidth_ratio",
    "channel_of",
    "code_blocks",
    "denormalise_power",
    "denormalise_power_blocks",
    "digital_bytes",
    "is_digital",
    "message_bytes",
    "noise_power",
    "normalise_power",
    "normalise_power_blocks",
    "pack",
    "parse_link",
    "read_digital",
    "read_message",
    "side_bits",
    "unpack",
    "wiretap",
    "write_message",
]
