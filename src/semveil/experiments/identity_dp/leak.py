# SPDX-License-Identifier: Apache-2.0
"""Leakage outside identity-dp's guarantee: identification from attributes transmitted in the clear.

The guarantee covers the identity vector; the attributes of the photo enter the picture unperturbed ([IDP] Eq.
13, despite Proof 4.1). Attackers with increasing knowledge identify the person in a protected photo:

- `recogniser`: compares it with a gallery of unprotected photos of many people, without the original photo.
- `fused anew`: re-fuses the released picture's attributes with random identities and averages the
  recogniser's features, for the picture only or for the gallery too; `sum of scores` adds these scores and
  the recogniser's.
- `same photo`: has the original photo in the gallery and compares pixels.
- `learnt to undo`: protects photos of strangers and learns a regression from protected to original recogniser
  features.
- `learnt the people`: trains a classifier on labelled protected photos of the same people (parrot
  recognition).

Positive control: photos without protection. Negative controls: attributes of another person's photo, and
permuted names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.attacks.reidentification import Reidentification
from semveil.core.progress import Progress
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
from semveil.experiments.kit.inputs import as_json, recognisers
from semveil.experiments.kit.keeping import Keep, each, face_model_card
from semveil.experiments.kit.photo_sets import DataMissing, load_face_set
from semveil.experiments.kit.statistics import rates
from semveil.methods.identity_dp import IdentityDP
from semveil.metrics import ssim
from semveil.models.face import load_model
from semveil.models.identity import DEFAULT_IDENTITY_MODEL, IdentityModel, load_identity_model
from semveil.recognition.verifier import Verifier

CHUNK = 64  # photos at a time


@dataclass(frozen=True)
class LeakPreset:
    """Run size.

    Attributes:
        name: preset name.
        verifiers: recognisers used by the attackers.
        gallery_photos, strangers, public, named_people, named_photos: see `leak_faces`.
        epsilon: budget of the identity.
        sides: attribute bottlenecks to measure, in pixels.
        attribute_epsilon: budget of private attributes; None skips that variant.
        seed: for noise, networks and permutations.
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
        "smoke",
        ("bundled",),
        1,
        strangers=8,
        public=16,
        named_people=2,
        named_photos=2,
        sides=(8,),
        attribute_epsilon=None,
    ),
    LeakPreset("small"),
    LeakPreset(
        "full",
        ("edgeface", "dlib", "bundled"),
        strangers=3000,
        public=4000,
        named_people=100,
        named_photos=10,
    ),
)


@dataclass(frozen=True)
class Variant:
    """One protection setting, or a control.

    Attributes:
        name: key in the result.
        make: maps photos (N, 3, S, S) to pictures, with its own random streams.
        trained: whether attackers that train on protected photos are run.
        claim: guarantee of a release; None if there is none.
    """

    name: str
    make: Callable[[Tensor], Tensor]
    trained: bool = True
    claim: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class LeakBench:
    """Loaded inputs of a run, and their description for the result."""

    preset: LeakPreset
    model: IdentityModel
    faces: LeakFaces
    recognisers: Mapping[str, Verifier]
    config: Mapping[str, Any]

    @property
    def head(self) -> dict[str, Any]:
        return {"seeds": [self.preset.seed]}

    def nearest(self, probed: Tensor, clear: Tensor) -> Reidentification:
        """Match protected probes to the gallery by their signals.

        Args:
            probed: (P, p) signals of the protected probes.
            clear: (G, p) signals of the unprotected gallery.
        """
        return nearest(probed, clear, self.faces.probes.names, self.faces.gallery.names)

    def anew(self, pictures: Tensor, signal: Signal) -> Tensor:
        """Mean signal after re-fusing the pictures' attributes with random identities.

        Args:
            pictures: (N, 3, S, S), protected or not.
            signal: averaged over the identities.

        Returns:
            (N, p); every call uses the same random identities.
        """
        return fused_anew(
            self.model, pictures, signal, rng=streams(self.preset.seed)["attacker's identities"]
        )


@dataclass(frozen=True, eq=False)
class Known:
    """Attacker's knowledge before seeing a protected photo.

    Attributes:
        signal: signal functions by name; the other attributes have the same keys.
        clear: signals of the unprotected gallery.
        clear_anew: signals of the gallery after attribute re-fusion.
        before: signals of the strangers' photos before protection.
    """

    signal: Mapping[str, Signal]
    clear: Mapping[str, Tensor]
    clear_anew: Mapping[str, Tensor]
    before: Mapping[str, Tensor]


def load(run: Run) -> LeakBench:
    """Load the photos, the identity model and the attackers' recognisers.

    Args:
        run: its data is a face set or a folder with LFW.

    Raises:
        DataMissing: no data, or too few people with enough photos.
    """
    data = run.data
    chosen, loaded = run.preset, load_identity_model(run.model or DEFAULT_IDENTITY_MODEL)
    if data is None:
        raise DataMissing(
            "the leakage experiment needs several photos per person: pass a face set or a folder with lfw as "
            "--data"
        )
    faces = leak_faces(
        load_face_set(data, loaded, progress=lambda done, total: run.progress("prepare photos", done, total)),
        gallery_photos=chosen.gallery_photos,
        strangers=chosen.strangers,
        public=chosen.public,
        named_people=chosen.named_people,
        named_photos=chosen.named_photos,
    )
    judges, cards = recognisers(run.verifiers, loaded.size)
    config = {
        "preset": as_json(chosen),
        "model": {"name": loaded.name, "digest": loaded.digest, "dimension": loaded.dim},
        "recognisers": cards,
        "public_faces": None if chosen.attribute_epsilon is None else face_model_card(load_model()),
        "photos": {name: len(part) for name, part in vars(faces).items()},
        "photos_digest": faces.digest,
        "people": {name: len(set(part.names)) for name, part in vars(faces).items()},
    }
    return LeakBench(chosen, loaded, faces, judges, config)


def run(bench: LeakBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Run all attacks on all variants.

    Args:
        bench: loaded inputs of the run.
        folder: directory of the result file and its images.
        progress: progress callback.
        keep: stores partial results.
    """
    signal, faces = signals(bench.model, bench.recognisers), bench.faces
    clear, before = (
        {name: read(of, part.images) for name, of in signal.items()}
        for part in (faces.gallery, faces.strangers)
    )
    anew = {name: bench.anew(faces.gallery.images, signal[name]) for name in bench.recognisers}
    known = Known(signal, clear, anew, before)
    jobs = {
        variant.name: partial(_attacked, bench, known, variant)
        for variant in _variants(bench.model, faces, bench.preset)
    }
    found = each(jobs, keep, progress, "attack")
    return {
        "attribute_probe": _attribute_probe(bench.model, faces, bench.preset),
        "variants": dict(zip(jobs, found, strict=True)),
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
    """Fuse the photos' perturbed identities with the attributes of other people's photos."""
    method, rng = IdentityDP(model, epsilon=preset.epsilon), streams(preset.seed)[f"dp {len(photos)}"]
    others = strangers[torch.randint(len(strangers), (len(photos),), generator=rng)]
    identities = method.perturb(_in_parts(model.identify, photos), rng=rng)
    pairs = zip(identities.split(CHUNK), others.split(CHUNK), strict=True)
    return torch.cat([model.fuse(vectors, model.attributes(part)) for vectors, part in pairs])


def _attacked(bench: LeakBench, known: Known, variant: Variant) -> dict[str, Any]:
    """Run all attacks on one variant."""
    faces, signal, clear = bench.faces, known.signal, known.clear
    probes, gallery = faces.probes, faces.gallery
    pictures = variant.make(probes.images).clamp(-1, 1)
    probed = {name: read(of, pictures) for name, of in signal.items()}
    attacks = [
        _row("recogniser", name, bench.nearest(probed[name], clear[name])) for name in bench.recognisers
    ]
    for name in bench.recognisers:
        attacks += _without_noise(bench, known, name, pictures, probed[name])
    very = read(signal["pixels"], probes.images)
    found = nearest(
        probed["pixels"], torch.cat([very, clear["pixels"]]), probes.names, (*probes.names, *gallery.names)
    )
    attacks.append(_row("same photo", "pixels", found))
    if variant.trained:
        strangers, named = (
            {name: read(of, made) for name, of in signal.items()}
            for made in (variant.make(part.images).clamp(-1, 1) for part in (faces.strangers, faces.named))
        )
        for name in bench.recognisers:
            attacks += _learnt_to_undo(bench, known, name, strangers, probed)
        attacks += _learnt_the_people(named, faces.named, bench.preset.seed)
    return {
        "of_a_release": variant.claim,
        "ssim": round(float(ssim(pictures, probes.images).mean()), 4),
        "attacks": attacks,
    }


def _without_noise(
    bench: LeakBench, known: Known, name: str, pictures: Tensor, probed: Tensor
) -> list[dict[str, Any]]:
    """Run the attribute re-fusion attacks.

    The score fusion was fixed in advance: all three scores, equally weighted.
    """
    clear, probed_anew = known.clear[name], bench.anew(pictures, known.signal[name])
    plain, anew, both = (
        likeness(probed, clear),
        likeness(probed_anew, clear),
        likeness(probed_anew, known.clear_anew[name]),
    )
    scores = {
        ("fused anew", name): anew,
        ("fused anew", f"{name}, the gallery too"): both,
        ("sum of scores", name): added_up(plain, anew, both),
    }
    probes, gallery = bench.faces.probes, bench.faces.gallery
    return [
        _row(attack, by, judged(table, probes.names, gallery.names)) for (attack, by), table in scores.items()
    ]


def _learnt_to_undo(
    bench: LeakBench,
    known: Known,
    recogniser: str,
    strangers: Mapping[str, Tensor],
    probed: Mapping[str, Tensor],
) -> list[dict[str, Any]]:
    """Estimate features of the original photo from one or all signals of the protected photo."""
    before, rng = known.before[recogniser], streams(bench.preset.seed)["network"]
    everything, asked = together(strangers, probed)
    estimates = {
        f"{recogniser}, linear": undone(strangers[recogniser], before, probed[recogniser]),
        f"{recogniser} from {EVERYTHING}, linear": undone(everything, before, asked),
        f"{recogniser} from {EVERYTHING}, network": undone(everything, before, asked, rng=rng),
    }
    clear = known.clear[recogniser]
    return [_row("learnt to undo", name, bench.nearest(made, clear)) for name, made in estimates.items()]


def _learnt_the_people(named: Mapping[str, Tensor], faces: Portraits, seed: int) -> list[dict[str, Any]]:
    """Train on half of the labelled protected photos and test on the rest; permuted labels as a control."""
    first = torch.arange(len(faces)) % 2 == 0  # a person's photos are consecutive and even in number
    labels, truth = (
        tuple(n for n, mine in zip(faces.names, part.tolist(), strict=True) if mine)
        for part in (first, ~first)
    )
    split = {name: (values[first], values[~first]) for name, values in named.items()}
    learnt, asked = together(
        {name: a for name, (a, _) in split.items()}, {name: b for name, (_, b) in split.items()}
    )
    split[EVERYTHING] = learnt, asked
    rows = []
    for name, (train, test) in split.items():
        rows.append(_row("learnt the people", f"{name}, linear", recognised(train, labels, test, truth)))
    network = recognised(learnt, labels, asked, truth, rng=streams(seed)["network"])
    rows.append(_row("learnt the people", f"{EVERYTHING}, network", network))
    order = torch.randperm(len(labels), generator=streams(seed)["permutation"]).tolist()
    permuted = recognised(learnt, [labels[i] for i in order], asked, truth)
    rows.append(_row("learnt permuted names", f"{EVERYTHING}, linear", permuted))
    return rows


def _attribute_probe(model: IdentityModel, faces: LeakFaces, preset: LeakPreset) -> list[dict[str, Any]]:
    """Linear probe from the unperturbed attributes to the identity vector."""
    attributes = signals(model, {})["attributes"]
    identities = {name: read(model.identify, part.images) for name, part in vars(faces).items()}
    rows = []
    for side in (model.size, *preset.sides):
        known, asked = (
            read(attributes, coarsened(part.images, side)) for part in (faces.public, faces.probes)
        )
        estimate = undone(known, identities["public"], asked)
        found = nearest(estimate, identities["gallery"], faces.probes.names, faces.gallery.names)
        cosine = F.cosine_similarity(estimate, identities["probes"]).mean()
        rows.append(
            {"attribute_side": side, "cosine_with_the_identity": round(float(cosine), 4), **_scores(found)}
        )
    return rows


def _row(attack: str, signal: str, found: Reidentification) -> dict[str, Any]:
    return {"attack": attack, "signal": signal, **_scores(found)}


def _scores(found: Reidentification) -> dict[str, Any]:
    """Rates with confidence intervals, and the chance level."""
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
