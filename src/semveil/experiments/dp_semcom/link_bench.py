# SPDX-License-Identifier: Apache-2.0
"""Shared by the experiments over channels: presets, faces with latents, one cell (Bob and all attacks by Eve on a channel)."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from semveil.channels import bandwidth, parse_link
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.security import CASES, EVES, Bench, compared, known_latents, load_bench
from semveil.experiments.kit.experiment import Drawing, Experiment, Jobs, Run, cells, experiment, presets
from semveil.experiments.kit.plots import COLOURS
from semveil.experiments.kit.statistics import value
from semveil.link.eves import Traffic, attacks_on, hear, listen
from semveil.methods.dp_semcom import DPSemCom

METRICS = ("lpips", "ssim", "fppsr")
LABEL = {"lpips": "LPIPS to the photo", "ssim": "SSIM to the photo", "fppsr": "fraction rejected (FPPSR)"}
CONTROL = "stolen"  # the Eve who has the key or the network: shows that the attacks' machinery works
STRONGEST = ("linear", "impute")  # one who knows earlier photos, and one who knows none
AWGN, FADING = "awgn", "rayleigh:coherence=64,csi=mmse,pilots=8"


@dataclass(frozen=True)
class LinkPreset:
    """Size of a run.

    Attributes:
        name: as the user says it.
        split: people reported on; None: generated faces, for which no data is needed.
        photos: under attack, at most.
        public, synthetic: faces that Eve learns from, and known pairs that she makes beside them, but for
            keyed protection.
        protections: names of `security.CASES`.
        fully: channels on which all Eves listen.
        others: channels with the two strongest Eves, at the same SNR.
        snr_db: Bob's and Eve's on all channels.
        snrs_db: over which both are varied.
        csi: what receivers know, over SNR, as channels.
        outage: of the digital baseline over fading.
        repetitions: of the analogue symbols, combined at the receiver.
        digital_uses: of the digital baseline, times the analogue message's.
        ways: that digital messages go: `bound`, at capacity; `5g`, its LDPC codes and QAM.
        made_for_db: SNR that the messages of `dp-semcom/cliff` are made for.
        offsets_db: from it, of the SNRs that they meet.
        cliff_uses: of theirs, times the analogue message's.
        trained_db: lowest and highest SNRs of the trainings of `dp-semcom/mismatch`.
        trained_latents, epochs: of each of them.
        verifier: recogniser.
        perceptual: perceptual term of the inversion; the model's own where None.
        seed: of channels and attacks.
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
        name="smoke",
        split=None,
        photos=3,
        public=24,
        synthetic=100,
        protections=("none", "rotation"),
        others=("timing:delay=0.3",),
        snrs_db=(5.0, 20.0),
        csi=(AWGN, FADING),
        repetitions=(1, 4),
        digital_uses=(1, 4),
        offsets_db=(-5.0, -1.0, 0.0, 5.0),
        trained_db=((0.0, 0.0), (20.0, 20.0), (0.0, 20.0)),
        trained_latents=2000,
        epochs=10,
        verifier="dlib",
        perceptual=None,
    ),
    LinkPreset(name="small", split="held-out", photos=32, public=500, synthetic=3500),
)


def load(run: Run, *, cases: Sequence[str] | None = None) -> Bench:
    """What a run over channels works on.

    Args:
        run: whose preset is a `LinkPreset`.
        cases: of `security.CASES`, whose pairs are described; the preset's protections where None.
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
) -> Experiment:
    """Declare a result of cells with one figure, which has its name.

    Args:
        name: behind `dp-semcom/`, of the result and of its figure.
        jobs: as for `cells`.
        drawing: draws the figure.
        revision: as `Measurement` has it.
        load: as `Experiment` has it.
        place: as for `cells`.
        stage: as for `cells`.
    """
    measure = cells(place, jobs, stage=stage)
    return experiment(
        f"dp-semcom/{name}",
        revision=revision,
        presets=PRESETS,
        load=load,
        measure=measure,
        figures={name: drawing},
    )


def run_cell(
    bench: Bench,
    protection: str,
    channel: str,
    *,
    bob_snrs: Sequence[float],
    eve_snrs: Sequence[float],
    attacks: Sequence[str] = EVES,
) -> dict[str, Any]:
    """One protection over one channel: Bob at each of his SNRs, each Eve at each of hers, per-photo values.

    Args:
        bench: what is sent.
        protection: name of `security.CASES`.
        channel: of both, as `parse_link` reads it; their noise and fading are independent.
        bob_snrs: in dB.
        eve_snrs: in dB.
        attacks: names, of which those that apply listen; the control among them.
    """
    options = next(case.options for case in CASES if case.name == protection)
    method, link, run = DPSemCom(bench.model, **options), parse_link(channel), streams(bench.preset.seed)
    sent = method.send_codes(bench.codes)
    size, side = (
        bench.model.size,
        32 + (-(-8 * len(sent.keyed.sealed) // len(bench.codes)) if sent.keyed else 0),
    )
    counted = bandwidth(sent.symbols.shape[1], size, link=link, side_bits=side)
    cell: dict[str, Any] = {
        "protection": protection,
        "channel": channel,
        "guarantee": method.guarantee().as_dict(),
        "bandwidth": {**asdict(counted), "ratio": round(counted.ratio, 5)},
        "bob": [
            {
                "snr_db": snr,
                **measured(bench, method.receive(hear(method, sent, snr, run[f"bob {snr:g}"], link)[0])),
            }
            for snr in bob_snrs
        ],
        "eves": [],
    }
    known = known_latents(method, bench.public, bench.preset.synthetic, run["known"])
    traffic = Traffic.of(method, bench.codes, shots=1, known=known)
    for snr in eve_snrs:
        rng = run[f"eve {snr:g}"]
        heard, variance = hear(method, sent, snr, rng, link)
        eve = listen(
            method,
            heard,
            traffic,
            snr_db=snr,
            latents=bench.public,
            rng=rng,
            channel=link,
            variance=variance.float(),
        )
        for attack in attacks_on(method, sent, eve, attacks):
            codes = attack(eve.observation, eve.public, pairs=eve.pairs, rng=rng)
            cell["eves"].append(
                {"attack": attack.name, "snr_db": snr, **measured(bench, method.synthesize(codes))}
            )
    return cell


def measured(bench: Bench, images: Tensor) -> dict[str, Any]:
    """Per-photo metrics of what a party sees.

    Args:
        bench: the photos and what judges.
        images: (N, 3, S, S), pictures of the photos in their order.
    """
    return compared(bench, images, METRICS, detect=False)


def values_of(cells: Sequence[dict[str, Any]], *names: str) -> list[list[str]]:
    """What the cells have under each name, each value once, in their order.

    Args:
        cells: each with all `names`.
        *names: such as `protection`.

    Returns:
        One list for each name.
    """
    return [list(dict.fromkeys(cell[name] for cell in cells)) for name in names]


def of_strongest(cell: dict[str, Any], metric: str, snr_db: float) -> float:
    """A metric's mean for `strongest`; NaN where no Eve listened.

    Args:
        cell: of one protection and channel.
        metric: that is averaged over photos.
        snr_db: Eve's, one of those measured.
    """
    return value(strongest(cell, metric, snr_db) or {}, metric)


def strongest(cell: dict[str, Any], metric: str, snr_db: float) -> dict[str, Any] | None:
    """The Eve at an SNR whose pictures are nearest to the photos, the control left out.

    Args:
        cell: of one protection and channel.
        metric: by which pictures are near: the largest mean SSIM, the least of any other.
        snr_db: Eve's, one of those measured.

    Returns:
        None where no Eve listened at this SNR.
    """
    eves = [eve for eve in cell["eves"] if eve["snr_db"] == snr_db and eve["attack"] != CONTROL]
    best = max if metric == "ssim" else min  # LPIPS is a distance, FPPSR the fraction rejected
    return best(eves, key=lambda eve: value(eve, metric)) if eves else None


def shown_metric(cells: Sequence[dict[str, Any]]) -> str:
    """LPIPS where its weights were there, else SSIM.

    Args:
        cells: with Bob's metrics at his first SNR.
    """
    return "lpips" if all(cell["bob"][0].get("lpips") for cell in cells) else "ssim"


def gap(cell: dict[str, Any], metric: str, bob_snr: float, eve_snr: float) -> float:
    """How much farther from the photos the strongest Eve is than Bob; negative where she is nearer.

    Args:
        cell: of one protection and channel.
        metric: `ssim`, or one that grows with the distance.
        bob_snr: in dB, one of those measured.
        eve_snr: in dB, likewise.
    """
    bob = next(party for party in cell["bob"] if party["snr_db"] == bob_snr)
    difference = of_strongest(cell, metric, eve_snr) - value(bob, metric)
    return -difference if metric == "ssim" else difference


def look(kind: str, way: str) -> dict[str, Any]:
    """Colour by what is sent, line by how it is carried.

    Args:
        kind: `rotation` (analogue), `latents`, or a codec.
        way: `bound`, `5g`, or nothing where the message is analogue.

    Returns:
        Keywords of `Axes.plot`.
    """
    kinds = ("rotation", "latents", "jpeg", "jpeg2000", "avif")
    name = {"rotation": "semveil, analogue under rotation", "latents": "semveil's latents"}.get(kind, kind)
    label = f"{name}, {'at capacity' if way == 'bound' else '5G LDPC, QAM'}" if way else name
    return {
        "color": COLOURS["series"][kinds.index(kind)],
        "ls": "-" if way in ("", "5g") else "--",
        "marker": "o",
        "label": label,
    }
