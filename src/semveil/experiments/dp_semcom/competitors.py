# SPDX-License-Identifier: Apache-2.0
"""Protections, some based on other papers' abstracts, against every attack: `competitors.json`.

The result has one cell per protection and channel: Bob, and every attack by an Eve whose channel is as good
as his, better, fading, or received with several antennas. A DeepJSCC is included if one was trained
(`deep_jscc_file`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from semveil.channels import bandwidth, parse_link
from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.core.weights import home
from semveil.experiments.dp_semcom import link_bench
from semveil.experiments.dp_semcom.link_bench import load as load_link
from semveil.experiments.dp_semcom.security import Bench, Case, traffic_of
from semveil.experiments.kit.experiment import Jobs, Run, cells, experiment, presets
from semveil.experiments.kit.plots import heat_table
from semveil.experiments.kit.statistics import value
from semveil.experiments.kit.tables import markdown
from semveil.link.eves import hear
from semveil.methods.deep_jscc import DeepJSCCLink, load_deep_jscc
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.methods.pairs import NoPair, find_pair, pair_digest
from semveil.methods.protections import PROTECTIONS
from semveil.models.face import FaceModel
from semveil.training.protector import PUBLIC_LATENTS, TRAINERS, find_or_train_pair

TRAINING_SEED = 0
CASES = (
    Case("none", {"protection": "none"}),
    Case("nn, nominal 10", {"protection": "nn", "epsilon": 10}),
    Case("nn-encrypted, nominal 10", {"protection": "nn-encrypted", "epsilon": 10}),
    Case("learned, nominal 10", {"protection": "learned", "epsilon": 10}),
    Case("learned, nominal 100", {"protection": "learned", "epsilon": 100}),
    Case("gaussian, epsilon 100", {"protection": "gaussian", "epsilon": 100}),
    Case("rotation", {"protection": "rotation"}),
    Case("modulo", {"protection": "modulo"}),
)
DEEP_JSCC = {"deep-jscc": "none", "deep-jscc, rotation": "rotation"}
# Subset of attacks: with knowledge of earlier photos, of recordings, of Alice's networks, or none.
FEWER = ("linear", "known-plaintext", "recordings", "glass-box", "generative-prior", "impute")


@dataclass(frozen=True)
class Ear:
    """Eve's channel.

    Attributes:
        name: name in tables.
        bob: Bob's channel, see `parse_link`.
        eve: Eve's channel, likewise.
        better_db: difference of Eve's SNR from Bob's.
        attacks: names of the attacks; None for all that apply.
    """

    name: str
    bob: str
    eve: str
    better_db: float = 0.0
    attacks: tuple[str, ...] | None = FEWER


EARS = (
    Ear("AWGN", link_bench.AWGN, link_bench.AWGN, attacks=None),
    Ear("AWGN, Eve 10 dB better", link_bench.AWGN, link_bench.AWGN, 10.0),
    Ear("block Rayleigh with pilots", link_bench.FADING, link_bench.FADING, attacks=None),
    Ear("block Rayleigh, Eve 10 dB better", link_bench.FADING, link_bench.FADING, 10.0),
    Ear("block Rayleigh, Eve 2 antennas", link_bench.FADING, f"{link_bench.FADING},antennas=2"),
    Ear("block Rayleigh, Eve 4 antennas", link_bench.FADING, f"{link_bench.FADING},antennas=4"),
)


@dataclass(frozen=True)
class CompetitorsPreset:
    """Size of a run.

    Attributes:
        link: photos, public faces, known pairs, Bob's SNR, recogniser.
        ears: names of `EARS`.
        epochs: training epochs of missing pairs, which are then not cached; None: full training, cached.
    """

    link: link_bench.LinkPreset
    ears: tuple[str, ...] = tuple(ear.name for ear in EARS)
    epochs: int | None = None

    @property
    def name(self) -> str:
        return self.link.name


PRESETS = presets(
    CompetitorsPreset(
        link_bench.LinkPreset(
            name="smoke", split=None, photos=3, public=40, synthetic=200, verifier="dlib",
            protections=("nn-encrypted, nominal 10", "learned, nominal 100", "rotation"),
        ),
        ears=("AWGN", "block Rayleigh, Eve 2 antennas"),
        epochs=1,
    ),
    CompetitorsPreset(
        link_bench.LinkPreset(
            name="small", split="held-out", photos=32, public=500, synthetic=3500,
            protections=tuple(case.name for case in CASES),
        )
    ),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Contender:
    """A link with its codes.

    Attributes:
        link: link that transmits.
        codes: (B, K, D) latents of the photos.
        public: (N, K, D) public latents.
        description: description for the config.
    """

    link: DPSemCom | DeepJSCCLink
    codes: Tensor
    public: Tensor
    description: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Field:
    """Loaded inputs of a run.

    Attributes:
        bench: faces, model and recogniser.
        contenders: links by name.
        ears: Eve's channels.
        config: description of all inputs, JSON-ready.
    """

    bench: Bench
    contenders: Mapping[str, Contender]
    ears: Sequence[Ear]
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        return self.bench.head


def _load(run: Run) -> Field:
    """Load the faces, pairs and networks of all contenders; missing pairs are trained."""
    chosen: CompetitorsPreset = run.preset
    bench = load_link(replace(run, preset=chosen.link), cases=())
    contenders = _contenders(bench, chosen, run.progress)
    ears = [ear for ear in EARS if ear.name in chosen.ears]
    config = {
        **bench.config,
        "ears": [asdict(ear) for ear in ears],
        "epochs": chosen.epochs,
        "contenders": {name: dict(contender.description) for name, contender in contenders.items()},
    }
    return Field(bench, contenders, ears, config)


def _jobs(field: Field) -> Jobs:
    """Return the measurements: every contender on every channel of Eve's."""
    return {
        f"{name} | {ear.name}": partial(_run_cell, field.bench, name, contender, ear)
        for ear in field.ears
        for name, contender in field.contenders.items()
    }


def _run_cell(bench: Bench, name: str, contender: Contender, ear: Ear) -> dict[str, Any]:
    """Measure one protection over one pair of channels: Bob, and the attacks that apply, per photo."""
    link, run, snr = contender.link, streams(bench.preset.seed), bench.preset.snr_db
    sent = link.send_codes(contender.codes)
    bob_channel, eve_channel = parse_link(ear.bob), parse_link(ear.eve)
    traffic = traffic_of(link, contender.codes, contender.public, bench.preset.synthetic, run["known"])
    side, size = sent.side_bits(), bench.model.size
    counted = bandwidth(sent.symbols.shape[1], size, link=bob_channel, side_bits=side)
    hers, attacks = snr + ear.better_db, ear.attacks and (*ear.attacks, link_bench.CONTROL)
    heard = link_bench.attacked(
        link, sent, traffic, attacks, eve_channel, snr_db=hers, latents=contender.public, rng=run["eve"]
    )
    return {
        "protection": name,
        "ear": ear.name,
        "bob_channel": ear.bob,
        "eve_channel": ear.eve,
        "snr_db": snr,
        "eve_snr_db": hers,
        "guarantee": link.guarantee().as_dict(),
        "known_pairs": len(traffic.known),
        "bandwidth_ratio": round(counted.ratio, 5),
        "bob": link_bench.measured(bench, link.receive(hear(link, sent, snr, run["bob"], bob_channel)[0])),
        "eves": [
            {"attack": attack.name, "knowledge": attack.knowledge, **link_bench.measured(bench, images)}
            for attack, images in heard
        ],
    }


def deep_jscc_file(size: int) -> Path:
    """Return the path at which this experiment looks for networks of `semveil train deep-jscc`.

    Args:
        size: side of the images in pixels.
    """
    return home() / "deep-jscc" / f"{size}.safetensors"


def _contenders(bench: Bench, preset: CompetitorsPreset, progress: Progress) -> dict[str, Contender]:
    found = {}
    for case in (case for case in CASES if case.name in preset.link.protections):
        method = _method(bench.model, case.options, preset.epochs, progress)
        pair = method.pair
        told = {"pair": pair and pair_digest(pair), "trained_on": pair and pair.settings.trained_on}
        found[case.name] = Contender(method, bench.codes, bench.public, told)
    path = deep_jscc_file(bench.model.size)
    if path.is_file():
        model = load_deep_jscc(path)
        public = model.public_latents(bench.preset.public, rng=streams(bench.preset.seed)["public"])
        for name, protection in DEEP_JSCC.items():
            link = DeepJSCCLink(model, protection=protection)
            codes = link.encode(bench.faces.attacked)
            found[name] = Contender(link, codes, public, {"networks": model.digest})
    return found


def _method(model: FaceModel, options: Mapping[str, Any], epochs: int | None, progress: Progress) -> DPSemCom:
    """Return a method with its pair.

    The pair is cached, trained in full and cached, or trained for `epochs` and not cached.
    """
    name = options["protection"]
    if PROTECTIONS[name].trained is None:
        return DPSemCom(model, **options)
    rng = streams(TRAINING_SEED)["train"]
    settings = pair_settings(model, epsilon=options["epsilon"], protection=name)

    def tick(epoch: int, count: int, loss: float) -> None:
        progress(f"train {name} for nominal epsilon {settings.epsilon:g}", epoch, count)

    if epochs is None:
        return DPSemCom(model, pair=find_or_train_pair(model, settings, rng=rng, progress=tick), **options)
    try:
        pair = find_pair(model, settings)
    except NoPair:
        latents = model.public_latents(PUBLIC_LATENTS // 20, rng=rng)
        pair = TRAINERS[name](latents, settings, rng=rng, epochs=epochs, progress=tick)
    return DPSemCom(model, pair=pair, **options)


def _table(result: Mapping[str, Any]) -> list[str]:
    """Return a table for each of Eve's channels, as paragraphs of Markdown."""
    cells = list(result["cells"].values())
    metric, config = _metric(cells), result["config"]
    parts = [
        f"{config['photos']}; Bob at {cells[0]['snr_db']:g} dB; model {config['model']['name']} "
        f"(`{config['model']['digest'][:12]}`). {link_bench.LABEL[metric]}, mean over photos, "
        "and in brackets the fraction of photos whose person the recogniser rejects (FPPSR). CBR: Bob's "
        "channel uses per source value, side information included. "
        "`nn-encrypted` follows the abstract of arXiv 2504.18581, `learned` of 2510.23274, `glass-box` and "
        "`generative-prior` of 2503.23103; they are not reproductions. "
        f"`{link_bench.CONTROL}` has Bob's network or key (positive control)."
    ]
    for ear in dict.fromkeys(cell["ear"] for cell in cells):
        own = [cell for cell in cells if cell["ear"] == ear]
        attacks = _attacks(own)
        rows = [
            [
                cell["protection"], cell["guarantee"]["basis"], f"{cell['bandwidth_ratio']:.4f}",
                link_bench.cell_of(cell["bob"], metric),
                *(link_bench.cell_of(_by(cell, attack), metric) for attack in attacks),
            ]
            for cell in own
        ]  # fmt: skip
        parts += [f"Eve's channel: {ear}.", markdown(["protection", "basis", "CBR", "Bob", *attacks], rows)]
    return parts


def _drawing(result: Mapping[str, Any], folder: Path) -> Figure:
    """Draw a panel for each of Eve's channels: a row for each protection, columns for Bob and the attacks."""
    cells = list(result["cells"].values())
    metric, attacks = _metric(cells), _attacks(cells)
    ears, names = link_bench.values_of(cells, "ear", "protection")
    figure = Figure(figsize=(3 + 0.8 * (len(attacks) + 1), 1.4 + len(ears) * (1.3 + 0.34 * len(names))))
    for axes, ear in zip(np.atleast_1d(figure.subplots(len(ears), 1)), ears, strict=True):
        own = {cell["protection"]: cell for cell in cells if cell["ear"] == ear}
        bobs = [value(own[name]["bob"], metric) for name in names]
        eves = [[value(_by(own[name], attack), metric) for name in names] for attack in attacks]
        table = np.array([bobs, *eves]).T
        far = 1 - table if metric == "ssim" else table
        heat_table(axes, table, ["Bob", *attacks], names, colours=far, top=float(np.nanmax(far)))
        axes.axvline(0.5, color="white", lw=3)
        axes.set_title(f"Eve's channel: {ear}")
    figure.suptitle(f"{link_bench.LABEL[metric]} (dark: reconstructed), {len(result['photos'])} photos")
    return figure


def _metric(cells: Sequence[Mapping[str, Any]]) -> str:
    return link_bench.shown_metric([{"bob": [cell["bob"]]} for cell in cells])


def _attacks(cells: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(eve["attack"] for cell in cells for eve in cell["eves"]))


def _by(cell: Mapping[str, Any], attack: str) -> Mapping[str, Any]:
    """Record of an attack; empty if it does not apply."""
    return next((eve for eve in cell["eves"] if eve["attack"] == attack), {})


COMPETITORS = experiment(
    "dp-semcom/competitors", revision=1, presets=PRESETS, load=_load,
    measure=cells("cells", _jobs, stage="transmit and attack"), figures={"competitors": _drawing},
    table=_table,
)  # fmt: skip
