# SPDX-License-Identifier: Apache-2.0
"""Privacy-utility comparison: every method and baseline on the same photos, against the same attackers.

    semveil reproduce all-methods/usefulness --preset small --data FACES

Images are written next to the JSON, large enough for an independent judge (`docs/utility.md`). If its
`faces.jsonl` is in the folder too, the same command adds its judgements and repeats no other measurement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from semveil.attacks.reidentification import Reidentification
from semveil.core.digests import digest_of_file
from semveil.core.model_folders import bundled_file
from semveil.core.progress import Progress
from semveil.core.results import rounded
from semveil.data.judgements import read_judgements
from semveil.data.save import save_png
from semveil.experiments.all_methods.cases import Case, Photos, all_cases, resized
from semveil.experiments.identity_dp import leak_attacks
from semveil.experiments.kit.experiment import Run, experiment, presets
from semveil.experiments.kit.inputs import as_json, recognisers
from semveil.experiments.kit.keeping import Kept, face_model_card, metric_weights
from semveil.experiments.kit.photo_sets import DataMissing
from semveil.experiments.kit.picture_grid import read_pixels
from semveil.experiments.kit.plots import COLOURS, number
from semveil.experiments.kit.security_faces import SecurityFaces, generated_faces, real_faces
from semveil.experiments.kit.statistics import NOT_MEASURED, mean
from semveil.experiments.kit.tables import markdown, means
from semveil.experiments.kit.utility import kept_by_judge, kept_by_parser, kept_on_crops, utility_table
from semveil.faces.pixels import to_pixels, to_tensor
from semveil.metrics import face_detected, fppsr, ssim
from semveil.models.face import DEFAULT_MODEL, FaceModel, load_model
from semveil.models.identity import IdentityModel, load_identity_model
from semveil.models.inversion_cache import cached_inversion
from semveil.recognition.face_parser import load_face_parser
from semveil.recognition.verifier import Verifier

PICTURES, JUDGEMENTS = "pictures", "faces.jsonl"
JUDGED_SIDE = 256  # minimum in px, as a judge rounds its points to whole pixels
_MARKERS = dict(
    zip(("dp-semcom", "dp-image", "latent-dp", "identity-dp", "noise-image"), "o^vsD", strict=True)
)
_SHOWN = {"photo, as it is": "unprotected photo", "inversion, without noise": "inversion"}  # labels of cases


@dataclass(frozen=True)
class UsefulnessPreset:
    """Size of a run.

    Attributes:
        name: name of the preset.
        split: split of the people; None for generated faces, without re-identification.
        attacked: maximum number of photos, one of each person.
        gallery: number of strangers in the gallery, in addition to second photos of these people.
        public: number of other people's faces, which the attackers protect themselves for training.
        epsilons: privacy budgets.
        ranks: ranks of subspaces.
        faces: size of the gallery of the mechanism `nearest`, see `all_cases`.
        verifiers: recognisers.
        seed: seed of noise and channels.
    """

    name: str
    split: str | None
    attacked: int
    gallery: int
    public: int
    epsilons: tuple[float, ...] = (1.0, 4.0, 8.0, 16.0)
    ranks: tuple[int, ...] = (16, 32, 64)
    faces: int = 100_000
    verifiers: tuple[str, ...] = ("edgeface", "dlib")
    seed: int = 0


USEFULNESS_PRESETS = presets(
    UsefulnessPreset(
        "smoke", None, attacked=2, gallery=0, public=6, epsilons=(8.0,), ranks=(4,), faces=50,
        verifiers=("dlib",),
    ),
    UsefulnessPreset("development", "development", attacked=48, gallery=200, public=500, faces=10_000),
    UsefulnessPreset("small", "held-out", attacked=64, gallery=1000, public=500),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Bench:
    """Loaded inputs of a run.

    Attributes:
        preset: run size.
        faces: faces by role.
        attacked: attacked photos with their latents.
        public: public photos with their latents.
        verifiers: caching recognisers by name.
        signals: features that the attackers use, by name.
        face: face model.
        identity: model of identity-dp.
        config: description of all inputs, JSON-ready.
    """

    preset: UsefulnessPreset
    faces: SecurityFaces
    attacked: Photos
    public: Photos
    verifiers: Mapping[str, Verifier]
    signals: Mapping[str, leak_attacks.Signal]
    face: FaceModel
    identity: IdentityModel
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        return {"seeds": [self.preset.seed], "photos": list(self.faces.ids)}

    @property
    def probes(self) -> list[int]:
        """Indices of the attacked photos whose person has another photo in the gallery."""
        return [i for i, mate in enumerate(self.faces.mates.tolist()) if mate >= 0]


def _load(run: Run) -> Bench:
    """Load the inputs of a run."""
    chosen, face = run.preset, load_model(run.model or DEFAULT_MODEL)
    identity = load_identity_model()
    judges, cards = recognisers(run.verifiers, face.size)
    faces = _faces(run, face)
    attacked, inversion = _inverted(face, faces.attacked, run.progress)
    public, _ = _inverted(face, faces.public, run.progress)
    signals: dict[str, leak_attacks.Signal] = {name: judge.embed for name, judge in judges.items()}
    signals["pixels"] = leak_attacks.small_picture
    config = {
        "preset": as_json(chosen),
        "model": face_model_card(face),
        "identity_model": {"name": identity.name, "digest": identity.digest},
        "verifiers": cards,
        "metric_weights": metric_weights(),
        "photos": {"description": faces.description, "count": len(faces.ids), "digest": faces.digest},
        "inversion": inversion,
    }
    return Bench(chosen, faces, attacked, public, judges, signals, face, identity, config)


def _measure(bench: Bench, kept: Kept, run: Run) -> None:
    """Measure every case and save its images; add an independent judge's metrics if its file exists."""
    chosen = bench.preset
    cases = all_cases(
        bench.face, bench.identity, epsilons=chosen.epsilons, ranks=chosen.ranks, gallery=chosen.faces
    )
    jobs = {case.name: partial(_measured, bench, case, n, run.folder) for n, case in enumerate(cases)}
    kept.parts("cases", jobs, stage="measure", progress=run.progress)
    parser = bundled_file("face-parser", "parser.safetensors")
    labelled = partial(_labelled, kept.result["cases"], run.folder, bench.face.size)
    kept.part("labelled", digest_of_file(parser), measure=labelled)
    judgements = run.folder / JUDGEMENTS
    if judgements.is_file():
        kept.result["judged"] = {}  # drop the judgements of an older file
        measure = partial(_judged, kept.result["cases"], judgements, run.folder)
        kept.part("judged", digest_of_file(judgements), measure=measure)


def _faces(run: Run, face: FaceModel) -> SecurityFaces:
    preset: UsefulnessPreset = run.preset
    if preset.split is None and run.data is None:
        return generated_faces(face, preset.attacked, preset.public)
    if run.data is None:
        raise DataMissing(
            f"preset {preset.name} measures {preset.split} people: name a face set or a folder with --data"
        )
    sizes = {"attacked": preset.attacked, "gallery": preset.gallery, "public": preset.public}
    return real_faces(run.data, face, split=preset.split or "development", **sizes)


def _inverted(face: FaceModel, images: Tensor, progress: Progress) -> tuple[Photos, dict[str, Any]]:
    codes, how = cached_inversion(face, images, progress=partial(progress, "invert"))
    return Photos(images, codes), how


def _measured(bench: Bench, case: Case, number: int, folder: Path) -> dict[str, Any]:
    images = case.make(bench.attacked, bench.preset.seed).clamp(-1, 1)
    source = bench.attacked.images
    protected = {
        f"protected {name}": rounded(fppsr(source, images, judge).tolist())
        for name, judge in bench.verifiers.items()
    }
    return {
        "method": case.method,
        "setting": case.setting,
        "asked_epsilon": case.asked,
        "guarantee": None if case.guarantee is None else case.guarantee.as_dict(),
        "files": _write(folder, f"{number:03d}", images),
        "face_detected": face_detected(images).float().tolist(),
        "ssim": rounded(ssim(source, images).tolist()),
        **protected,
        "kept": kept_on_crops(source, images, None),
        "reidentified": _reidentified(bench, case, images) if bench.probes else {},
    }


def _reidentified(bench: Bench, case: Case, images: Tensor) -> dict[str, Any]:
    """Rank-k rates of attackers with a recogniser alone, and of those trained on faces they protected."""
    shown = {name: leak_attacks.read(signal, images[bench.probes]) for name, signal in bench.signals.items()}
    others = case.make(bench.public, bench.preset.seed + 1_000_000).clamp(-1, 1)
    seen = {name: leak_attacks.read(signal, others) for name, signal in bench.signals.items()}
    learnt, asked = leak_attacks.together(seen, shown)
    people = [f"person {i}" for i in range(len(bench.faces.gallery))]
    names = [people[bench.faces.mates[i]] for i in bench.probes]
    found: dict[str, Any] = {"people": len(people)}
    for name in bench.verifiers:
        gallery = leak_attacks.read(bench.signals[name], bench.faces.gallery)
        known = leak_attacks.read(bench.signals[name], bench.public.images)
        found[name] = _ranks(leak_attacks.nearest(shown[name], gallery, names, people))
        found[f"{name}, trained"] = _ranks(
            leak_attacks.nearest(leak_attacks.undone(learnt, known, asked), gallery, names, people)
        )
    return found


def _ranks(found: Reidentification) -> dict[str, Any]:
    return {
        f"rank {k}": [round(v, 4) for v in (score.value, score.low, score.high)]
        for k, score in found.found.items()
    }


def _write(folder: Path, case: str, images: Tensor) -> list[str]:
    """Save images enlarged for the judge, and return their paths relative to the JSON."""
    (folder / PICTURES).mkdir(exist_ok=True)
    large = resized(images, max(JUDGED_SIDE, images.shape[-1]))
    names = [f"{PICTURES}/{case}-{i:04d}.png" for i in range(1, len(images) + 1)]
    for name, pixels in zip(names, to_pixels(large), strict=True):
        save_png(folder / name, pixels)
    return names


def _labelled(cases: Mapping[str, Any], folder: Path, size: int) -> dict[str, Any]:
    """Metrics of part labels by case, relative to the photos, which are the first case."""
    parser = load_face_parser()

    def images(case: Mapping[str, Any]) -> Tensor:
        return resized(to_tensor([read_pixels(folder / file) for file in case["files"]]), size)

    photos = images(next(iter(cases.values())))
    return {name: kept_by_parser(photos, images(case), parser) for name, case in cases.items()}


def _judged(cases: Mapping[str, Any], judgements: Path, folder: Path) -> dict[str, Any]:
    """Judge's metrics by case, relative to the photos, which are the first case."""
    judged = read_judgements(judgements)
    files = {name: [folder / file for file in case["files"]] for name, case in cases.items()}
    photos = next(iter(files.values()))
    return {name: kept_by_judge(judged, photos, pictures) for name, pictures in files.items()}


def _table(result: Mapping[str, Any]) -> list[str]:
    """Return two tables: guarantee and identification rates of each case; utility."""
    cases: Mapping[str, Mapping[str, Any]] = result["cases"]
    verifiers = list(result["config"]["verifiers"])
    attackers = [f"{name}{how}" for name in verifiers for how in ("", ", trained")]
    head = [
        "case", "ε (coverage)", "basis", "face detection rate", "SSIM",
        *(f"PSR, {name}" for name in verifiers),
    ]  # fmt: skip
    head += [f"rank-1 rate, {name}" for name in attackers]
    rows = []
    for name, case in cases.items():
        columns = ["face_detected", "ssim", *(f"protected {verifier}" for verifier in verifiers)]
        ranks = (_rank(case["reidentified"].get(who)) for who in attackers)
        rows.append([_SHOWN.get(name, name), *_claim(case["guarantee"]), *means(case, columns), *ranks])
    more: list[Mapping[str, Any]] = [
        next(iter(result.get(part, {}).values()), {}) for part in ("labelled", "judged")
    ]
    kept = [
        (_SHOWN.get(name, name), {**case["kept"], **more[0].get(name, {}), **more[1].get(name, {})})
        for name, case in cases.items()
    ]
    return [_about(result), markdown(head, rows), utility_table(kept)]


def _drawing(result: Mapping[str, Any], folder: Path) -> Figure:
    """Draw every case as a point: rank-1 rate of the strongest attacker, and landmark error."""
    figure = Figure(figsize=(8.6, 5.4))
    axes = figure.subplots()
    epsilons = result["config"]["preset"]["epsilons"]
    colours = dict(zip(epsilons, COLOURS["series"], strict=False))
    for case in result["cases"].values():
        error, ranks = mean(case["kept"], "five_point_error"), _best_rank(case)
        if error is None:
            continue
        colour, marker = colours.get(case["asked_epsilon"], "#999999"), _MARKERS.get(case["method"], "x")
        look = {"color": colour, "marker": marker, "label": case["method"]}
        axes.plot([ranks], [error.value], ls="", alpha=0.8, **look)
    axes.set(
        xlabel="rank-1 identification rate, strongest attacker",
        ylabel="landmark error / eye distance (dlib's five points)",
    )
    handles = {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    marks = [axes.plot([], [], ls="", marker="o", color=colour)[0] for colour in colours.values()]
    names = [*handles, *(f"$\\epsilon$ {epsilon:g}" for epsilon in colours)]
    figure.legend([*handles.values(), *marks], names, loc="outside lower center", ncols=5)
    preset = result["config"]["preset"]["name"]
    axes.set_title(
        f"Privacy vs. utility, {result['config']['photos']['count']} photos ({preset}); grey: no epsilon"
    )
    return figure


def _best_rank(case: Mapping[str, Any]) -> float:
    return max(
        (who["rank 1"][0] for who in case["reidentified"].values() if isinstance(who, dict)), default=0.0
    )


def _claim(guarantee: Mapping[str, Any] | None) -> tuple[str, str]:
    if guarantee is None:
        return "no release", ""
    if guarantee["epsilon"] is None:
        return "none", guarantee["basis"]
    delta = f", δ {guarantee['delta']:.2g}" if guarantee["delta"] else ""
    part = "" if guarantee["whole_record_epsilon"] is not None else " only; the rest is in the clear"
    return (
        f"{number(float(format(guarantee['epsilon'], '.4g')))}{delta} of {guarantee['covers']}{part}",
        guarantee["basis"],
    )


def _rank(found: Mapping[str, Any] | None) -> str:
    return NOT_MEASURED if found is None else "{:.3f} [{:.3f}, {:.3f}]".format(*found["rank 1"])


def _about(result: Mapping[str, Any]) -> str:
    config = result["config"]
    model, identity = config["model"], config["identity_model"]
    people = next(
        (case["reidentified"]["people"] for case in result["cases"].values() if case["reidentified"]), 0
    )
    guessing = f"; chance is 1 in {people}" if people else "; no re-identification in this preset"
    judge = "with" if result.get("judged") else "without"
    return (
        f"{config['photos']['description']}; models {model['name']} (`{model['digest'][:12]}`) and "
        f"{identity['name']} (`{identity['digest'][:12]}`); one draw per photo, noise simulated, guarantees "
        f"those of a release{guessing}. Trained attackers learned from public faces that they protected "
        f"themselves. Means over photos with 95 % intervals; {judge} an independent judge."
    )


USEFULNESS = experiment(
    "all-methods/usefulness", revision=1, presets=USEFULNESS_PRESETS, load=_load, measure=_measure,
    figures={"usefulness": _drawing}, table=_table,
)  # fmt: skip
