# SPDX-License-Identifier: Apache-2.0
"""Every protection against every attack, on real faces: `dp-semcom/security`.

Eve's received signals of held-out photos are attacked with every attack of `attacks` and compared with Bob
and direct transmission. The result is `security.json`, drawn by `security_shown`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from semveil.attacks.attributes import infer_attribute
from semveil.attacks.linkage import link
from semveil.attacks.reidentification import reidentify
from semveil.core.results import rounded
from semveil.core.rng import streams
from semveil.experiments.dp_semcom.same_map import same_map_link
from semveil.experiments.dp_semcom.security_shown import drawing, table
from semveil.experiments.kit.experiment import Jobs, Run, cells, experiment, presets
from semveil.experiments.kit.inputs import as_json
from semveil.experiments.kit.keeping import face_model_card, metric_weights
from semveil.experiments.kit.security_faces import SecurityFaces, faces_with_parts, inverted_parts
from semveil.experiments.kit.statistics import rates, score_as_json
from semveil.faces.parts import PRIVATE_CODES, codes_of_parts
from semveil.link.eves import Eve, Traffic, attacks_on, listen, over_the_air
from semveil.link.measure import compare
from semveil.methods.deep_jscc import DeepJSCCLink
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.pairs import pair_digest
from semveil.models.face import DEFAULT_MODEL, FaceModel, load_model
from semveil.recognition.by_name import Remembering, load_verifier
from semveil.recognition.verifier import Verifier

FACE = codes_of_parts(("skin", "eyes", "brows", "mouth", "nose", "ears"))
# Attacks in the committed results; `dp-semcom/competitors` has all.
EVES = (
    "direct", "denoise", "prior-search", "impute", "linear", "learned-same", "learned-deep", "stolen",
    "multi-shot",
)  # fmt: skip
METRICS = ("lpips", "lpips_squeeze", "fppsr", "identity_similarity", "face_detected")


@dataclass(frozen=True)
class Case:
    """One protection.

    Attributes:
        name: name in tables.
        options: arguments of `DPSemCom`.
    """

    name: str
    options: dict[str, Any]


CASES = (
    Case("none", {"protection": "none"}),
    Case("nn, nominal 1", {"protection": "nn", "epsilon": 1}),
    Case("nn, nominal 10", {"protection": "nn", "epsilon": 10}),
    Case("laplace, epsilon 10000", {"protection": "laplace", "epsilon": 10_000}),
    Case("gaussian, epsilon 100", {"protection": "gaussian", "epsilon": 100}),
    Case("rotation, paper's codes", {"protection": "rotation", "private_codes": PRIVATE_CODES}),
    Case("rotation, whole face", {"protection": "rotation", "private_codes": FACE}),
    Case("rotation", {"protection": "rotation"}),
    Case("modulo, paper's codes", {"protection": "modulo", "private_codes": PRIVATE_CODES}),
    Case("modulo", {"protection": "modulo"}),
    Case(
        "modulo, epsilon 1000, paper's codes",
        {"protection": "modulo", "epsilon": 1000, "private_codes": PRIVATE_CODES},
    ),
)


@dataclass(frozen=True)
class SecurityPreset:
    """Size of a run.

    Attributes:
        name: name of the preset.
        split: split of the people; None for generated faces, which require no data.
        attacked: maximum number of photos under attack.
        gallery: number of strangers in the gallery.
        public: number of public faces, which Eve learns from.
        synthetic: number of known pairs that Eve generates from the public latent prior in addition, except
            under keyed protection.
        cases: names of protections.
        snr_db: Bob's SNR.
        noisier_db: Bob's SNR in a second, noisier reception.
        eve_snr_db: Eve's SNRs: equal to Bob's, and higher.
        shots: transmissions of the same photo.
        verifier: recogniser.
        seed: seed of channels and attacks.
    """

    name: str
    split: str | None
    attacked: int
    gallery: int
    public: int
    synthetic: int
    cases: tuple[str, ...] = tuple(case.name for case in CASES)
    snr_db: float = 20.0
    noisier_db: float = 10.0
    eve_snr_db: tuple[float, ...] = (20.0, 30.0)
    shots: int = 8
    verifier: str = "edgeface"
    seed: int = 0


PRESETS = presets(
    SecurityPreset(
        name="smoke", split=None, attacked=3, gallery=0, public=24, synthetic=100,
        cases=("nn, nominal 10", "rotation", "modulo"), eve_snr_db=(20.0,), shots=2, verifier="dlib",
    ),
    SecurityPreset(
        name="development", split="development", attacked=48, gallery=200, public=1000, synthetic=4000,
    ),
    SecurityPreset(name="small", split="held-out", attacked=64, gallery=1000, public=1500, synthetic=3500),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bench:
    """Loaded inputs of a run.

    Attributes:
        preset: preset of `security`, or of the experiments over channels.
        model: face model.
        faces: faces by role.
        codes: (B, K, D) latents of the attacked faces, clipped.
        public: (N, K, D) latents of the public faces.
        verifier: caching recogniser.
        gallery: (G, E) embeddings of the gallery, empty without one.
        config: description of all inputs, JSON-ready.
    """

    preset: Any
    model: FaceModel
    faces: SecurityFaces
    codes: Tensor
    public: Tensor
    verifier: Verifier
    gallery: Tensor
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        return {"seeds": [self.preset.seed], "photos": list(self.faces.ids)}


def load(run: Run) -> Bench:
    """Load the inputs of a run of this experiment.

    Args:
        run: the run; its preset is a `SecurityPreset`.
    """
    chosen: SecurityPreset = run.preset
    bench = load_bench(run, attacked=chosen.attacked, gallery=chosen.gallery, cases=chosen.cases)
    attributes = {name: _balance(labels[0]) for name, labels in bench.faces.attributes.items()}
    return replace(bench, config={**bench.config, "attributes": attributes})


def load_bench(
    run: Run, *, attacked: int, gallery: int, cases: Sequence[str], perceptual: str | None = None
) -> Bench:
    """Load the model and recogniser, the faces by role, and their latents.

    Args:
        run: the run; its preset has `split`, `public`, `verifier` and `seed`.
        attacked: maximum number of photos under attack.
        gallery: number of strangers in the gallery.
        cases: names of `CASES` whose pairs are described.
        perceptual: perceptual term of the inversion; None for the model's own.
    """
    loaded = load_model(run.model or DEFAULT_MODEL)
    judge, card = load_verifier(run.verifier or run.preset.verifier, resolution=loaded.size)
    faces = faces_with_parts(run, loaded, attacked=attacked, gallery=gallery, public=run.preset.public)
    codes, public, inversion = inverted_parts(run, loaded, faces, perceptual=perceptual)
    known = judge.embed(faces.gallery) if len(faces.gallery) else torch.empty(0)
    config = {
        "preset": as_json(run.preset),
        "model": face_model_card(loaded),
        "verifier": card,
        "metric_weights": metric_weights(),
        "photos": faces.description,
        "photos_digest": faces.digest,
        "pairs": _case_pairs(loaded, cases),
        "inversion": inversion,
    }
    return Bench(run.preset, loaded, faces, codes, public, Remembering(judge), known, config)


def _jobs(bench: Bench) -> Jobs:
    """Return the measurements: the preset's protections."""
    return {case.name: partial(_run_case, bench, case) for case in CASES if case.name in bench.preset.cases}


def _run_case(bench: Bench, case: Case) -> dict[str, Any]:
    """Measure one protection: Bob, then every attack at each of Eve's SNRs.

    The channel noise is the same for all protections.

    Returns:
        The case, JSON-ready; linkage and attributes for each of Eve's SNRs.
    """
    method, run = DPSemCom(bench.model, **case.options), streams(bench.preset.seed)
    sent = method.send_codes(bench.codes)
    result: dict[str, Any] = {
        "protection": method.protection,
        "private_codes": list(method.private_codes),
        "guarantee": method.guarantee().as_dict(),
        **_received("bob", bench, lambda snr_db: method.receive(over_the_air(sent, snr_db, run["bob"]))),
        "eves": [],
    }
    chosen, rng = bench.preset, run["known"]
    traffic = traffic_of(method, bench.codes, bench.public, chosen.synthetic, rng, shots=chosen.shots)
    result["known_pairs"] = len(traffic.known)
    for snr_db in bench.preset.eve_snr_db:
        rng = run[f"eve {snr_db:g}"]
        eve = listen(
            method, over_the_air(sent, snr_db, rng), traffic, snr_db=snr_db, latents=bench.public, rng=rng
        )
        for attack in attacks_on(method, sent, eve, EVES):
            codes = attack(eve.observation, eve.public, pairs=eve.pairs, rng=rng)
            told = {"attack": attack.name, "knowledge": attack.knowledge, "snr_db": snr_db}
            told["private_error"] = _private_error(bench, method, codes)
            result["eves"].append({**told, **_measured(bench, method.synthesize(codes))})
        result.setdefault("linkage", []).append({"snr_db": snr_db, **_linkage(eve)})
        result.setdefault("attributes", []).append({"snr_db": snr_db, **_attributes(bench, eve)})
    return result


def traffic_of(
    method: DPSemCom | DeepJSCCLink,
    codes: Tensor,
    public: Tensor,
    synthetic: int,
    rng: torch.Generator,
    *,
    shots: int = 1,
) -> Traffic:
    """Return what Eve receives besides a message: repeats, and photos that she knows.

    She knows public faces, and draws from the prior. Under a key every message has fresh keys, so further
    pairs reveal nothing and none are drawn.

    Args:
        method: Alice's method.
        codes: latents of the photos under attack.
        public: latents of public faces.
        synthetic: number of latents drawn from the prior.
        rng: source of the draws.
        shots: transmissions of the photos under attack.
    """
    if not method.kind.keyed:
        public = torch.cat([public, method.model.public_latents(synthetic, rng=rng)])
    return Traffic.of(method, codes, shots=shots, known=public)


def _case_pairs(model: FaceModel, names: Sequence[str]) -> dict[str, str]:
    """Return digests of the trained pairs by case; cases without a pair are omitted."""
    methods = {case.name: DPSemCom(model, **case.options) for case in CASES if case.name in names}
    return {name: pair_digest(method.pair) for name, method in methods.items() if method.pair}


def _received(name: str, bench: Bench, receive: Callable[[float], Tensor]) -> dict[str, Any]:
    """Metrics of the images received at the preset's SNR, and at the lower one."""
    snrs = {name: bench.preset.snr_db, f"{name}_noisier": bench.preset.noisier_db}
    images = {key: receive(snr_db) for key, snr_db in snrs.items()}
    return {key: _measured(bench, received) for key, received in images.items()}


def _measured(bench: Bench, images: Tensor) -> dict[str, Any]:
    """Per-photo metrics against the source, and re-identification in the gallery."""
    return {**compared(bench, images, METRICS), "reidentification": _reidentified(bench, images)}


def compared(bench: Bench, images: Tensor, metrics: Sequence[str], *, detect: bool = True) -> dict[str, Any]:
    """Per-photo metrics against the source; None, with a reason, where weights are missing.

    Args:
        bench: bench with the photos and the recogniser.
        images: (B, 3, S, S) images of a party.
        metrics: names of the metrics to return.
        detect: run face detection.
    """
    columns = compare(bench.faces.attacked, images.clamp(-1, 1), bench.verifier, detect=detect)
    return {
        name: rounded(value) if isinstance(value, list) else value
        for name, value in columns.items()
        if name.removesuffix("_reason") in metrics
    }


def _reidentified(bench: Bench, images: Tensor) -> dict[str, Any] | None:
    """Closed-set re-identification of the people who have a second photo in the gallery."""
    probes = bench.faces.mates >= 0
    if not bool(probes.any()):
        return None
    embeddings = bench.verifier.embed(images[probes].clamp(-1, 1))
    scores = bench.verifier.similarities(embeddings, bench.gallery)
    names = [str(place) for place in range(len(bench.gallery))]
    found = reidentify(scores, [names[int(place)] for place in bench.faces.mates[probes]], names)
    return {"people": found.people, **rates(found)}


def _linkage(eve: Eve) -> dict[str, Any]:
    """AUC of linking two transmissions of the same photo, by the codes used; 0.5 is chance."""
    repeats = eve.observation.repeats
    if repeats is None or len(eve.observation.received) < 3:
        return {}
    found = link(eve.observation.received, repeats[0], eve.public)
    return {name: score and score_as_json(score) for name, score in vars(found).items()}


def _attributes(bench: Bench, eve: Eve) -> dict[str, Any]:
    """AUC of attribute inference from the common codes and from all received codes; 0.5 is chance."""
    heard, learnt = eve.observation.received, eve.pairs.received[: len(bench.public)]
    found: dict[str, Any] = {}
    for name, (truth, labels) in bench.faces.attributes.items():
        told, known = truth >= 0, labels >= 0
        everything = list(range(heard.shape[1]))
        for source, codes in (("common codes", eve.public.common), ("everything heard", everything)):
            if codes:
                of_public = learnt[known][:, codes], labels[known].bool()
                score = infer_attribute(*of_public, heard[told][:, codes], truth[told].bool())
                found.setdefault(name, {})[source] = score_as_json(score)
    return found


def _private_error(bench: Bench, method: DPSemCom, codes: Tensor) -> list[float | None]:
    """Per photo, squared error of the private codes over their variance.

    1 is the error of the public mean, 0 that of the photo itself.
    """
    private = list(method.private_codes)
    spread = bench.public[:, private].var(0).mean()
    error = (codes - bench.codes)[:, private].square().mean((1, 2)) / spread
    return rounded(error.tolist())


def _unprotected(bench: Bench) -> dict[str, Any]:
    """Metrics without protection: source, inversion, direct transmission, and the public map of rotation."""
    plain, rotation = (DPSemCom(bench.model, protection=name) for name in ("none", "rotation"))
    sent, run = plain.send_codes(bench.codes), streams(bench.preset.seed)

    def direct(snr_db: float) -> Tensor:
        return plain.receive(over_the_air(sent, snr_db, run["direct"]))

    def mapped(snr_db: float) -> Tensor:
        return same_map_link(rotation, bench.codes, snr_db=snr_db, rng=run["same map"])

    return {
        "source": {"reidentification": _reidentified(bench, bench.faces.attacked)},
        "inverted": _measured(bench, plain.synthesize(bench.codes)),
        **_received("direct", bench, direct),
        **_received("same_map", bench, mapped),
    }


def _balance(labels: Tensor) -> dict[str, int]:
    return {
        name: int(labels.eq(value).sum()) for name, value in (("with", 1), ("without", 0), ("unknown", -1))
    }


SECURITY = experiment(
    "dp-semcom/security", revision=2, presets=PRESETS, load=load,
    measure=cells("cases", _jobs, stage="attack", first={"unprotected": lambda bench: _unprotected(bench)}),
    figures={"security": drawing}, table=table,
)  # fmt: skip
