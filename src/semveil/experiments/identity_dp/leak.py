# SPDX-License-Identifier: Apache-2.0
"""What identity-dp does not cover: how often people are recognised by what passes in clear.

Its guarantee is on the identity vector; the attributes of the photo enter the picture unperturbed ([IDP] Eq. 13, whatever its
Proof 4.1 says). Attackers of growing knowledge ask who is on a protected photo:

- `recogniser`: compares it with a gallery of unprotected photos of many people, none the very photo.
- `fused anew`: takes the released picture's attributes, fuses them with random identities, and averages what the recogniser
  says of these, for the picture alone or for the gallery too; `sum of scores` adds up its scores and the recogniser's.
- `same photo`: has the very photo in the gallery, and compares pictures.
- `learnt to undo`: has protected many strangers' photos, regresses what a recogniser said of them before, and compares that.
- `learnt the people`: has protected photos of the very people with names, and learns to tell them apart (a parrot attack).

Positive control: photos without protection. Negative controls: attributes of another person's photo, and permuted names.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.attacks.reidentification import Reidentification
from semveil.core.progress import Progress, quiet
from semveil.core.rng import streams
from semveil.encoders.attributes import coarsened
from semveil.experiments.identity_dp.leak_attacks import (
    EVERYTHING,
    Signal,
    added_up,
    fused_anew,
    judged,
    likeness,
    nearest,
    read,
    recognised,
    signals,
    together,
    undone,
)
from semveil.experiments.identity_dp.leak_faces import LeakFaces, Portraits, leak_faces
from semveil.experiments.identity_dp.leak_figure import drawing, leak_tables
from semveil.experiments.kit.experiment import Run, experiment, presets, whole
from semveil.experiments.kit.inputs import as_json
from semveil.experiments.kit.keeping import Keep, at_once, each, face_model_card
from semveil.experiments.kit.photo_sets import DataMissing, load_face_set
from semveil.experiments.kit.statistics import rates
from semveil.methods.face_model import load_model
from semveil.methods.identity_dp import IdentityDP
from semveil.methods.identity_model import DEFAULT_IDENTITY_MODEL, IdentityModel, load_identity_model
from semveil.metrics import ssim
from semveil.recognition.by_name import load_verifier
from semveil.recognition.verifier import Verifier

CHUNK = 64  # photos at a time


@dataclass(frozen=True)
class LeakPreset:
    """Size of a run.

    Attributes:
        name: as the user says it.
        verifiers: recognisers that attackers use.
        gallery_photos, strangers, public, named_people, named_photos: see `leak_faces`.
        epsilon: budget of the identity.
        sides: bottlenecks of the attributes that are measured, in pixels.
        attribute_epsilon: budget of the attributes where they are private too; None leaves that out.
        seed: of noise, networks and permutations.
    """

    name: str
    verifiers: tuple[str, ...] = ("edgeface", "bundled")
    gallery_photos: int = 3
    strangers: int = 500
    public: int = 1500
    named_people: int = 30
    named_photos: int = 8
    epsilon: float = 6.0
    sides: tuple[int, ...] = (16, 8)
    attribute_epsilon: float | None = 50.0
    seed: int = 0


LEAK_PRESETS = presets(
    LeakPreset(
        "smoke", ("bundled",), 1, strangers=8, public=16, named_people=2, named_photos=2, sides=(8,), attribute_epsilon=None
    ),
    LeakPreset("small"),
    LeakPreset("full", ("edgeface", "dlib", "bundled"), strangers=3000, public=4000, named_people=100, named_photos=10),
)


@dataclass(frozen=True)
class Variant:
    """One way to make pictures.

    Attributes:
        name: goes into the result.
        make: photos (N, 3, S, S) -> pictures; random streams are its own.
        trained: whether attackers learn on it; else only those that need not are measured.
        claim: of a release.
    """

    name: str
    make: Callable[[Tensor], Tensor]
    trained: bool = True
    claim: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class LeakBench:
    """What a run works on, loaded, and how results describe it."""

    preset: LeakPreset
    model: IdentityModel
    faces: LeakFaces
    recognisers: Mapping[str, Verifier]
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        return {"seeds": [self.preset.seed]}


def load(run: Run) -> LeakBench:
    """What a run works on: a face set or a folder with LFW, the identity model, and the recognisers that attackers use."""
    data = run.data
    chosen, loaded = run.preset, load_identity_model(run.model or DEFAULT_IDENTITY_MODEL)
    if data is None:
        raise DataMissing("the leak is measured on several photos of a person: name a face set or a folder with lfw by --data")
    faces = leak_faces(
        load_face_set(data, loaded, progress=lambda done, total: run.progress("prepare photos", done, total)),
        gallery_photos=chosen.gallery_photos,
        strangers=chosen.strangers,
        public=chosen.public,
        named_people=chosen.named_people,
        named_photos=chosen.named_photos,
    )
    named = {
        name: load_verifier(name, resolution=loaded.size)
        for name in (run.verifier.split(",") if run.verifier else chosen.verifiers)
    }
    judges = {name: judge for name, (judge, _) in named.items()}
    config = {
        "preset": as_json(chosen),
        "model": {"name": loaded.name, "digest": loaded.digest, "dimension": loaded.dim},
        "recognisers": {name: card for name, (_, card) in named.items()},
        "public_faces": None if chosen.attribute_epsilon is None else face_model_card(load_model()),
        "photos": {name: len(part) for name, part in vars(faces).items()},
        "photos_digest": faces.digest,
        "people": {name: len(set(part.names)) for name, part in vars(faces).items()},
    }
    return LeakBench(chosen, loaded, faces, judges, config)


def run(bench: LeakBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """All attackers on all variants."""
    return measure_leak(bench.model, bench.faces, bench.recognisers, bench.preset, keep=keep, progress=progress)


def measure_leak(
    model: IdentityModel,
    faces: LeakFaces,
    recognisers: Mapping[str, Verifier],
    preset: LeakPreset,
    *,
    keep: Keep = at_once,
    progress: Progress = quiet,
) -> dict[str, Any]:
    """All attackers on all variants, JSON-ready.

    Args:
        model: protects.
        faces: of whom, and what attackers have of them.
        recognisers: that attackers use, by name; their thresholds play no part.
        preset: budgets and the seed.
        keep: keeps what is measured of a variant.
        progress: how many variants are done.
    """
    signal, variants = signals(model, recognisers), _variants(model, faces, preset)
    clear, before = ({name: read(of, part.images) for name, of in signal.items()} for part in (faces.gallery, faces.strangers))
    anew = partial(_fused_anew, model, preset.seed)
    clear_anew = {name: anew(faces.gallery.images, signal[name]) for name in recognisers}
    attack = partial(_attacked, faces, signal, list(recognisers), clear, before, preset.seed, anew=anew, clear_anew=clear_anew)
    found = each({variant.name: partial(attack, variant) for variant in variants}, keep, progress, "attack")
    return {
        "attribute_probe": _attribute_probe(model, faces, preset),
        "variants": dict(zip((v.name for v in variants), found, strict=True)),
    }


def _variants(model: IdentityModel, faces: LeakFaces, preset: LeakPreset) -> list[Variant]:
    def private(name: str, **options: Any) -> Variant:
        method = IdentityDP(model, epsilon=preset.epsilon, **options)
        trained = "attribute_epsilon" not in options  # choosing a public face takes a second per photo
        return Variant(name, partial(_protected, method, preset.seed), trained, method.guarantee().as_dict())

    found = [
        Variant("unprotected", lambda photos: photos),
        Variant("no noise", lambda photos: _in_parts(IdentityDP(model).reconstruct, photos)),
        private("identity-dp"),
        *(private(f"attributes of {side} px", attribute_side=side) for side in preset.sides),
        Variant("another's attributes", partial(_of_another, model, faces.strangers.images, preset)),
    ]
    if preset.attribute_epsilon is not None:
        found.append(private("private attributes", attribute_epsilon=preset.attribute_epsilon))
    return found


def _protected(method: IdentityDP, seed: int, photos: Tensor) -> Tensor:
    rng = streams(seed)[f"dp {len(photos)}"]
    return _in_parts(lambda part: method.protect(part, rng=rng).images, photos)


def _of_another(model: IdentityModel, strangers: Tensor, preset: LeakPreset, photos: Tensor) -> Tensor:
    """The photos' identities, perturbed, with the attributes of photos of others."""
    method, rng = IdentityDP(model, epsilon=preset.epsilon), streams(preset.seed)[f"dp {len(photos)}"]
    others = strangers[torch.randint(len(strangers), (len(photos),), generator=rng)]
    identities = method.perturb(_in_parts(model.identify, photos), rng=rng)
    pairs = zip(identities.split(CHUNK), others.split(CHUNK), strict=True)
    return torch.cat([model.fuse(vectors, model.attributes(part)) for vectors, part in pairs])


def _attacked(
    faces: LeakFaces,
    signal: Mapping[str, Signal],
    recognisers: Sequence[str],
    clear: Mapping[str, Tensor],
    before: Mapping[str, Tensor],
    seed: int,
    variant: Variant,
    *,
    anew: Callable[[Tensor, Signal], Tensor],
    clear_anew: Mapping[str, Tensor],
) -> dict[str, Any]:
    """All attackers on one variant, with the signals of the unprotected gallery and of the strangers before protection."""
    probes, gallery = faces.probes, faces.gallery
    pictures = variant.make(probes.images).clamp(-1, 1)
    probed = {name: read(of, pictures) for name, of in signal.items()}
    attacks = [
        {"attack": "recogniser", "signal": name, **_scores(nearest(probed[name], clear[name], probes.names, gallery.names))}
        for name in recognisers
    ]
    for name in recognisers:
        attacks += _without_noise(name, probed[name], anew(pictures, signal[name]), clear[name], clear_anew[name], faces)
    very = read(signal["pixels"], probes.images)
    found = nearest(probed["pixels"], torch.cat([very, clear["pixels"]]), probes.names, (*probes.names, *gallery.names))
    attacks.append({"attack": "same photo", "signal": "pixels", **_scores(found)})
    if variant.trained:
        strangers, named = (
            {name: read(of, made) for name, of in signal.items()}
            for made in (variant.make(part.images).clamp(-1, 1) for part in (faces.strangers, faces.named))
        )
        for name in recognisers:
            attacks += _learnt_to_undo(name, strangers, before[name], probed, clear[name], faces, seed)
        attacks += _learnt_the_people(named, faces.named, seed)
    return {
        "of_a_release": variant.claim,
        "ssim": round(float(ssim(pictures, probes.images).mean()), 4),
        "attacks": attacks,
    }


def _fused_anew(model: IdentityModel, seed: int, pictures: Tensor, signal: Signal) -> Tensor:
    return fused_anew(model, pictures, signal, rng=streams(seed)["attacker's identities"])


def _without_noise(
    recogniser: str, probed: Tensor, probed_anew: Tensor, clear: Tensor, clear_anew: Tensor, faces: LeakFaces
) -> list[dict[str, Any]]:
    """The attackers who fuse attributes anew. The sum was fixed before looking: all three scores, equally weighted."""
    plain, anew, both = likeness(probed, clear), likeness(probed_anew, clear), likeness(probed_anew, clear_anew)
    scores = {
        ("fused anew", recogniser): anew,
        ("fused anew", f"{recogniser}, the gallery too"): both,
        ("sum of scores", recogniser): added_up(plain, anew, both),
    }
    return [
        {"attack": attack, "signal": by, **_scores(judged(table, faces.probes.names, faces.gallery.names))}
        for (attack, by), table in scores.items()
    ]


def _learnt_to_undo(
    recogniser: str,
    strangers: Mapping[str, Tensor],
    before: Tensor,
    probed: Mapping[str, Tensor],
    clear: Tensor,
    faces: LeakFaces,
    seed: int,
) -> list[dict[str, Any]]:
    """A recogniser's vector of the photo itself is estimated from its vector of the protected one, or from all signals."""
    everything, asked = together(strangers, probed)
    estimates = {
        f"{recogniser}, linear": undone(strangers[recogniser], before, probed[recogniser]),
        f"{recogniser} from {EVERYTHING}, linear": undone(everything, before, asked),
        f"{recogniser} from {EVERYTHING}, network": undone(everything, before, asked, rng=streams(seed)["network"]),
    }
    return [
        {"attack": "learnt to undo", "signal": name, **_scores(nearest(made, clear, faces.probes.names, faces.gallery.names))}
        for name, made in estimates.items()
    ]


def _learnt_the_people(named: Mapping[str, Tensor], faces: Portraits, seed: int) -> list[dict[str, Any]]:
    """Half the protected photos with names, the other half asked; with permuted names as a control."""
    first = torch.arange(len(faces)) % 2 == 0  # photos of a person follow each other, an even number of them
    labels, truth = (tuple(n for n, mine in zip(faces.names, part.tolist(), strict=True) if mine) for part in (first, ~first))
    split = {name: (values[first], values[~first]) for name, values in named.items()}
    learnt, asked = together({name: a for name, (a, _) in split.items()}, {name: b for name, (_, b) in split.items()})
    split[EVERYTHING] = learnt, asked
    rows = []
    for name, (train, test) in split.items():
        linear = recognised(train, labels, test, truth)
        rows.append({"attack": "learnt the people", "signal": f"{name}, linear", **_scores(linear)})
    network = recognised(learnt, labels, asked, truth, rng=streams(seed)["network"])
    rows.append({"attack": "learnt the people", "signal": f"{EVERYTHING}, network", **_scores(network)})
    order = torch.randperm(len(labels), generator=streams(seed)["permutation"]).tolist()
    permuted = recognised(learnt, [labels[i] for i in order], asked, truth)
    rows.append({"attack": "learnt permuted names", "signal": f"{EVERYTHING}, linear", **_scores(permuted)})
    return rows


def _attribute_probe(model: IdentityModel, faces: LeakFaces, preset: LeakPreset) -> list[dict[str, Any]]:
    """How much of the identity vector a linear map reads from the attributes, which enter the picture unperturbed."""
    attributes = signals(model, {})["attributes"]
    identities = {name: read(model.identify, part.images) for name, part in vars(faces).items()}
    rows = []
    for side in (model.size, *preset.sides):
        known, asked = (read(attributes, coarsened(part.images, side)) for part in (faces.public, faces.probes))
        estimate = undone(known, identities["public"], asked)
        found = nearest(estimate, identities["gallery"], faces.probes.names, faces.gallery.names)
        cosine = F.cosine_similarity(estimate, identities["probes"]).mean()
        rows.append({"attribute_side": side, "cosine_with_the_identity": round(float(cosine), 4), **_scores(found)})
    return rows


def _scores(found: Reidentification) -> dict[str, Any]:
    """Rates with their intervals, and what guessing gives."""
    return {"people": found.people, "guessing": round(1 / found.people, 4), **rates(found)}


def _in_parts(make: Callable[[Tensor], Tensor], photos: Tensor) -> Tensor:
    return torch.cat([make(part) for part in photos.split(CHUNK)])


LEAK = experiment(
    "identity-dp/leak",
    revision=2,
    presets=LEAK_PRESETS,
    load=load,
    measure=whole(run),
    figures={"leak": drawing},
    table=leak_tables,
)
