# SPDX-License-Identifier: Apache-2.0
"""Shared parts of the experiments over channels: presets, faces with latents, measurement of one cell.

A cell is Bob and all attacks by Eve on a channel.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from semveil.attacks import Attack
from semveil.channels import Link, bandwidth, parse_link
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.security import CASES, EVES, Bench, compared, load_bench, traffic_of
from semveil.experiments.kit.experiment import Drawing, Experiment, Jobs, Run, cells, experiment, presets
from semveil.experiments.kit.plots import COLOURS
from semveil.experiments.kit.statistics import value
from semveil.link.eves import Traffic, attacks_on, hear, listen
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.latent_link import LatentLink
from semveil.methods.transmission import Transmission

METRICS = ("lpips", "ssim", "fppsr")
LABEL = {"lpips": "LPIPS to the photo", "ssim": "SSIM to the photo", "fppsr": "fraction rejected (FPPSR)"}
CONTROL = "stolen"  # attack with Bob's key or network: shows that the attacks' machinery works
# Fast attacks; the strongest of them depends on the protection: `direct` and `denoise` under a key.
FAST = ("direct", "denoise", "linear", "impute")
AWGN, FADING = "awgn", "rayleigh:coherence=64,csi=mmse,pilots=8"


@dataclass(frozen=True)
class LinkPreset:
    """Size of a run.

    Attributes:
        name: name of the preset.
        split: split of the people; None for generated faces, which require no data.
        photos: maximum number of photos under attack.
        public: number of public faces, which Eve learns from.
        synthetic: number of known pairs that Eve generates in addition, except under keyed protection.
        protections: names of `security.CASES`.
        fully: channels with all attacks.
        others: channels with the attacks `FAST` only, at the same SNR.
        snr_db: Bob's and Eve's SNR on all channels.
        snrs_db: SNRs over which both are varied.
        csi: channels for the SNR experiment, which differ in the receivers' channel state information.
        outage: outage probability of the digital baseline over fading.
        repetitions: transmissions of the analogue symbols, combined at the receiver.
        digital_uses: channel uses of the digital baseline, as multiples of the analogue message's.
        ways: ways of digital transmission: `bound`, at capacity; `5g`, with its LDPC codes and QAM.
        made_for_db: design SNR of the messages of `dp-semcom/cliff`.
        offsets_db: differences of the channel SNRs from it.
        cliff_uses: channel uses of these messages, as a multiple of the analogue message's.
        trained_db: lowest and highest SNR of each training of `dp-semcom/mismatch`.
        trained_latents: latents of each training.
        epochs: epochs of each training.
        verifier: recogniser.
        perceptual: perceptual term of the inversion; None for the model's own.
        seed: seed of channels and attacks.
    """

    name: str
    split: str | None
    photos: int
    public: int
    synthetic: int
    protections: tuple[str, ...] = ("none", "nn, nominal 10", "gaussian, epsilon 100", "rotation", "modulo")
    fully: tuple[str, ...] = (AWGN, FADING)
    others: tuple[str, ...] = (
        "clipped:backoff_db=3",
        "rician:k_db=6,coherence=64,csi=mmse,pilots=8",
        "ofdm:subcarriers=64,taps=8,csi=mmse,pilots=8",
        "phase:frequency=0.001,csi=mmse,pilots=8",
        "timing:delay=0.3",
    )
    snr_db: float = 20.0
    snrs_db: tuple[float, ...] = (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)
    csi: tuple[str, ...] = (AWGN, "rayleigh:coherence=64", FADING, "rayleigh:coherence=64,csi=ls,pilots=8")
    outage: float = 0.1
    repetitions: tuple[int, ...] = (1, 2, 4, 8)
    digital_uses: tuple[int, ...] = (1, 2, 4, 8)
    ways: tuple[str, ...] = ("bound", "5g")
    made_for_db: float = 10.0
    offsets_db: tuple[float, ...] = (-10.0, -5.0, -3.0, -2.0, -1.0, 0.0, 1.0, 5.0, 10.0)
    cliff_uses: int = 4
    trained_db: tuple[tuple[float, float], ...] = ((0.0, 0.0), (10.0, 10.0), (20.0, 20.0), (0.0, 20.0))
    trained_latents: int = 11_000
    epochs: int = 100
    verifier: str = "edgeface"
    perceptual: str | None = None
    seed: int = 0


PRESETS = presets(
    LinkPreset(
        name="smoke", split=None, photos=3, public=24, synthetic=100, protections=("none", "rotation"),
        others=("timing:delay=0.3",), snrs_db=(5.0, 20.0), csi=(AWGN, FADING), repetitions=(1, 4),
        digital_uses=(1, 4), offsets_db=(-5.0, -1.0, 0.0, 5.0),
        trained_db=((0.0, 0.0), (20.0, 20.0), (0.0, 20.0)), trained_latents=2000, epochs=10, verifier="dlib",
        perceptual=None,
    ),
    LinkPreset(name="small", split="held-out", photos=32, public=500, synthetic=3500),
)  # fmt: skip


def load(run: Run, *, cases: Sequence[str] | None = None) -> Bench:
    """Load the inputs of a run over channels.

    Args:
        run: the run; its preset is a `LinkPreset`.
        cases: names of `security.CASES` whose pairs are described; None for the preset's protections.
    """
    chosen: LinkPreset = run.preset
    told = chosen.protections if cases is None else cases
    return load_bench(run, attacked=chosen.photos, gallery=0, cases=told, perceptual=chosen.perceptual)


def over_channels(
    name: str,
    jobs: Callable[[Bench], Jobs],
    drawing: Drawing,
    *,
    revision: int = 1,
    load: Callable[[Run], Bench] = load,
    place: str = "cells",
    stage: str = "transmit and attack",
    table: Callable[[dict[str, Any]], list[str]] | None = None,
) -> Experiment:
    """Declare a result of cells with one figure of the same name.

    Args:
        name: name of the result and its figure after `dp-semcom/`.
        jobs: see `cells`.
        drawing: draws the figure.
        revision: see `Measurement`.
        load: see `Experiment`.
        place: see `cells`.
        stage: see `cells`.
        table: see `Experiment`.
    """
    return experiment(
        f"dp-semcom/{name}", revision=revision, presets=PRESETS, load=load,
        measure=cells(place, jobs, stage=stage), figures={name: drawing}, table=table,
    )  # fmt: skip


def run_cell(
    bench: Bench,
    protection: str,
    channel: str,
    *,
    bob_snrs: Sequence[float],
    eve_snrs: Sequence[float],
    attacks: Sequence[str] = EVES,
) -> dict[str, Any]:
    """Measure one protection over one channel: Bob and the attacks at each of their SNRs, per photo.

    Args:
        bench: inputs of the run.
        protection: name in `security.CASES`.
        channel: both parties' channel, see `parse_link`; their noise and fading are independent.
        bob_snrs: Bob's SNRs in dB.
        eve_snrs: Eve's SNRs in dB.
        attacks: names of attacks, the control among them; those that do not apply are skipped.

    Returns:
        The cell, JSON-ready.
    """
    options = next(case.options for case in CASES if case.name == protection)
    method, link, run = DPSemCom(bench.model, **options), parse_link(channel), streams(bench.preset.seed)
    sent = method.send_codes(bench.codes)
    counted = bandwidth(sent.symbols.shape[1], bench.model.size, link=link, side_bits=sent.side_bits())
    traffic = traffic_of(method, bench.codes, bench.public, bench.preset.synthetic, run["known"])
    bob, eves = [], []
    for snr in bob_snrs:
        heard, _ = hear(method, sent, snr, run[f"bob {snr:g}"], link)
        bob.append({"snr_db": snr, **measured(bench, method.receive(heard))})
    for snr in eve_snrs:
        rng = run[f"eve {snr:g}"]
        for attack, images in attacked(
            method, sent, traffic, attacks, link, snr_db=snr, latents=bench.public, rng=rng
        ):
            eves.append({"attack": attack.name, "snr_db": snr, **measured(bench, images)})
    return {
        "protection": protection,
        "channel": channel,
        "guarantee": method.guarantee().as_dict(),
        "bandwidth": {**asdict(counted), "ratio": round(counted.ratio, 5)},
        "bob": bob,
        "eves": eves,
    }


def attacked(
    method: LatentLink,
    sent: Transmission,
    traffic: Traffic,
    attacks: Sequence[str] | None,
    channel: Link,
    *,
    snr_db: float,
    latents: Tensor,
    rng: torch.Generator,
) -> Iterator[tuple[Attack, Tensor]]:
    """Eve hears a message, and reconstructs the photos by every attack that applies.

    Args:
        method: Alice's method.
        sent: message under attack.
        traffic: other transmissions that Eve receives.
        attacks: names of attacks; None for all.
        channel: Eve's channel.
        snr_db: its SNR.
        latents: (N, K, D) of public faces.
        rng: source of Eve's channel noise and of the attacks' draws.

    Yields:
        Each attack with its images.
    """
    heard, variance = hear(method, sent, snr_db, rng, channel)
    eve = listen(
        method, heard, traffic, snr_db=snr_db, latents=latents, rng=rng, channel=channel,
        variance=variance.float(),
    )  # fmt: skip
    for attack in attacks_on(method, sent, eve, attacks):
        codes = attack(eve.observation, eve.public, pairs=eve.pairs, rng=rng)
        yield attack, method.synthesize(codes)


def measured(bench: Bench, images: Tensor) -> dict[str, Any]:
    """Per-photo metrics of a party's images.

    Args:
        bench: bench with the photos and the recogniser.
        images: (N, 3, S, S), one for each photo, in order.
    """
    return compared(bench, images, METRICS, detect=False)


def values_of(cells: Sequence[dict[str, Any]], *names: str) -> list[list[str]]:
    """Return the distinct values of the cells under each name, in order of appearance.

    Args:
        cells: cells that contain all `names`.
        *names: keys, such as `protection`.

    Returns:
        One list for each name.
    """
    return [list(dict.fromkeys(cell[name] for cell in cells)) for name in names]


def cell_of(party: Mapping[str, Any], metric: str) -> str:
    """Return the table cell of a party: mean of a metric and, in brackets, the fraction rejected (FPPSR).

    Args:
        party: record of Bob or of an attack; empty where there is none.
        metric: name of the metric.
    """
    first, rejected = value(party, metric), value(party, "fppsr")
    return "" if math.isnan(first) else f"{first:.3f} ({rejected:.2f})"


def attacks_in(cells: Iterable[dict[str, Any]]) -> list[str]:
    """Return the names of the attacks on some cells, the control excluded.

    Args:
        cells: cells with `eves`.
    """
    names = dict.fromkeys(eve["attack"] for cell in cells for eve in cell["eves"])
    return [name for name in names if name != CONTROL]


def read_cells(result: dict[str, Any]) -> tuple[list[dict[str, Any]], str, list[str], list[str]]:
    """Return the cells of a result, the metric to show, and the protections and channels in order.

    Args:
        result: content of a result file with `cells`.
    """
    cells = list(result["cells"].values())
    protections, channels = values_of(cells, "protection", "channel")
    return cells, shown_metric(cells), protections, channels


def of_strongest(cell: dict[str, Any], metric: str, snr_db: float) -> float:
    """Mean over photos of a metric for the `strongest` attack; NaN without attacks.

    Args:
        cell: result of one protection and channel.
        metric: name of the metric.
        snr_db: one of Eve's measured SNRs.
    """
    return value(strongest(cell, metric, snr_db) or {}, metric)


def strongest(cell: dict[str, Any], metric: str, snr_db: float) -> dict[str, Any] | None:
    """Return the attack at an SNR whose images are closest to the photos, the control excluded.

    Args:
        cell: result of one protection and channel.
        metric: metric of closeness: the largest mean SSIM, the smallest mean of any other.
        snr_db: one of Eve's measured SNRs.

    Returns:
        The attack's record; None without attacks at this SNR.
    """
    eves = [eve for eve in cell["eves"] if eve["snr_db"] == snr_db and eve["attack"] != CONTROL]
    best = max if metric == "ssim" else min  # LPIPS is a distance, FPPSR the fraction rejected
    return best(eves, key=lambda eve: value(eve, metric)) if eves else None


def shown_metric(cells: Sequence[dict[str, Any]]) -> str:
    """Return `lpips` if it was measured, otherwise `ssim`.

    Args:
        cells: cells with Bob's metrics at his first SNR.
    """
    return "lpips" if all(cell["bob"][0].get("lpips") for cell in cells) else "ssim"


def gap(cell: dict[str, Any], metric: str, bob_snr: float, eve_snr: float) -> float:
    """Difference in quality between Bob and the strongest Eve; negative if Eve's images are closer.

    Args:
        cell: result of one protection and channel.
        metric: `ssim`, or a metric that grows with the distance.
        bob_snr: one of Bob's measured SNRs, in dB.
        eve_snr: one of Eve's measured SNRs, in dB.
    """
    bob = next(party for party in cell["bob"] if party["snr_db"] == bob_snr)
    difference = of_strongest(cell, metric, eve_snr) - value(bob, metric)
    return -difference if metric == "ssim" else difference


def look(kind: str, way: str) -> dict[str, Any]:
    """Return the line style of a message: colour by content, line and label by way of transmission.

    Args:
        kind: `rotation` (analogue), `latents`, or a codec.
        way: `bound`, `5g`, or empty for an analogue message.

    Returns:
        Keywords of `Axes.plot`.
    """
    kinds = ("rotation", "latents", "jpeg", "jpeg2000", "avif")
    name = {"rotation": "semveil, analogue under rotation", "latents": "semveil's latents"}.get(kind, kind)
    label = f"{name}, {'at capacity' if way == 'bound' else '5G LDPC, QAM'}" if way else name
    colour, style = COLOURS["series"][kinds.index(kind)], "-" if way in ("", "5g") else "--"
    return {"color": colour, "ls": style, "marker": "o", "label": label}
