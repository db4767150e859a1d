# SPDX-License-Identifier: Apache-2.0
"""At which SNR the header of a recording of `send --iq` can be read.

    OMP_NUM_THREADS=1 python benchmarks/iq_header.py [--recordings 20] [--snrs 0,1,2,3,4,5,6]

Sends messages of one image of the bundled model under `rotation`, adds white noise to the recording's samples
and prints how many headers are read at each SNR per symbol. Latents and noise are seeded. Keys and nonces are
drawn anew, so other bits are sent in each run. The samples stay in memory: no SigMF file is written. Takes
about a minute.
"""

import argparse

import numpy as np
import torch

from semveil.channels.message import side_of_message
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.messages import to_message
from semveil.models.face import load_model
from semveil.radio.bursts import SAMPLES_PER_SYMBOL, SILENCE
from semveil.radio.frame import assemble
from semveil.radio.synchronise import NoBurst, receive_burst
from semveil.radio.waveform import modulate


def recorded(method: DPSemCom, seed: int) -> tuple[bytes, np.ndarray]:
    """Header of a message and the samples of its burst, of mean power 1 per symbol.

    Args:
        method: keyed link.
        seed: of the latents.
    """
    codes = method.model.public_latents(1, rng=torch.Generator().manual_seed(seed))
    message = to_message(method, method.send_codes(codes))
    header, payload = side_of_message(message), message.symbols.numpy().astype(np.complex128).ravel()
    burst = modulate(assemble(header, payload, message.images), SAMPLES_PER_SYMBOL)
    burst /= np.sqrt(np.mean(np.abs(burst) ** 2) * SAMPLES_PER_SYMBOL)
    silence = np.zeros(SILENCE * SAMPLES_PER_SYMBOL)
    return header, np.concatenate([silence, burst, silence])


def read(header: bytes, samples: np.ndarray, snr_db: float, seed: int) -> bool:
    """Whether the header is read from the noisy samples.

    Args:
        header: what was sent.
        samples: of mean power 1 per symbol.
        snr_db: mean power of a symbol over that of the noise after the matched filter.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    noise = (rng.standard_normal(len(samples)) + 1j * rng.standard_normal(len(samples))) / np.sqrt(2)
    try:
        return receive_burst(samples + 10 ** (-snr_db / 20) * noise, SAMPLES_PER_SYMBOL).header == header
    except NoBurst:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recordings", type=int, default=20)
    parser.add_argument("--snrs", default="0,1,2,3,4,5,6", help="in dB")
    given = parser.parse_args()
    method = DPSemCom(load_model("faces-128"), protection="rotation")
    sent = [recorded(method, seed) for seed in range(given.recordings)]
    print("| SNR in dB | headers read |\n|---|---|")
    for snr_db in map(float, given.snrs.split(",")):
        count = sum(read(header, samples, snr_db, seed) for seed, (header, samples) in enumerate(sent))
        print(f"| {snr_db:g} | {count} of {len(sent)} |", flush=True)


if __name__ == "__main__":
    main()
