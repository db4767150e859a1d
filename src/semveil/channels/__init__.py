"""From latents to what Bob and Eve hear: packing, power, noise, and the file that carries a message."""

from semveil.channels.awgn import awgn, noise_power
from semveil.channels.container import MessageError
from semveil.channels.keyed_part import KeyedPart
from semveil.channels.message import FORMAT_VERSION, Message, message_bytes, read_message, write_message
from semveil.channels.packing import bandwidth_ratio, code_blocks, pack, unpack
from semveil.channels.power import (
    GAIN_BITS,
    denormalise_power,
    denormalise_power_blocks,
    normalise_power,
    normalise_power_blocks,
)
from semveil.channels.wiretap import WiretapOutput, wiretap

__all__ = [
    "FORMAT_VERSION",
    "GAIN_BITS",
    "KeyedPart",
    "Message",
    "MessageError",
    "WiretapOutput",
    "awgn",
    "bandwidth_ratio",
    "code_blocks",
    "denormalise_power",
    "denormalise_power_blocks",
    "message_bytes",
    "noise_power",
    "normalise_power",
    "normalise_power_blocks",
    "pack",
    "read_message",
    "unpack",
    "wiretap",
    "write_message",
]
