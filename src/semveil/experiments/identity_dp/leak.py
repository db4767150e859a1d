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
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.attacks.reidentification import Reidentification
from semveil.core.progress import Progress
from semveil.core.rng import streams
from semveil.encoders.attributes import coarsened
from semveil.experiments.identity_dp import leak_attacks as attacks
from semveil.experiments.identity_dp.bench import in_chunks, people_of
from semveil.experiments.identity_dp.leak_attacks import (
    EVERYTHING,
    Signal,
    nearest,
    read,
    recognised,
    signals,
)
from semveil.experiments.identity_dp.leak_faces import LEAK_PRESETS, LeakFaces, LeakPreset, leak_faces
from semveil.experiments.identity_dp.leak_figure import drawing, leak_tables
from semveil.experiments.kit.experiment import Run, experiment, whole
from semveil.experiments.kit.inputs import as_json, recognisers
from semveil.experiments.kit.keeping import Keep, each, face_model_card
from semveil.experiments.kit.statistics import rates
from semveil.methods.identity_dp import IdentityDP
from semveil.metrics import ssim
from semveil.models.face import load_model
from semveil.models.identity import DEFAULT_IDENTITY_MODEL, IdentityModel, load_identity_model
from semveil.recognition.verifier import Verifier

Signals = Mapping[str, Tensor]
"""Signal -> its values on photos, (N, p)."""


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

    @cached_property
    def signal(self) -> dict[str, Signal]:
        """Signal functions by name."""
        return signals(self.model, self.recognisers)

    @cached_property
    def clear(self) -> Signals:
        """Signals of the unprotected gallery."""
        return self.seen(self.faces.gallery.images)

    @cached_property
    def clear_anew(self) -> Signals:
        """Recognisers' signals of the gallery after attribute re-fusion."""
        return {name: self.anew(self.faces.gallery.images, name) for name in self.recognisers}

    @cached_property
    def before(self) -> Signals:
        """Signals of the strangers' photos before protection."""
        return self.seen(self.faces.strangers.images)

    def seen(self, images: Tensor) -> dict[str, Tensor]:
        """All signals of photos.

        Args:
            images: (N, 3, S, S).
        """
        return {name: read(signal, images) for name, signal in self.signal.items()}

    def nearest(self, probed: Tensor, clear: Tensor) -> Reidentification:
        """Match protected probes to the gallery by their signals.

        Args:
            probed: (P, p) signals of the protected probes.
            clear: (G, p) signals of the unprotected gallery.
        """
        return nearest(probed, clear, self.faces.probes.names, self.faces.gallery.names)

    def anew(self, pictures: Tensor, name: str) -> Tensor:
        """Mean signal after re-fusing the pictures' attributes with random identities.

        Args:
            pictures: (N, 3, S, S), protected or not.
            name: name of the signal, averaged over the identities.

        Returns:
            (N, p); every call uses the same random identities.
        """
        rng = streams(self.preset.seed)["attacker's identities"]
        return attacks.fused_anew(self.model, pictures, self.signal[name], rng=rng)


def _load(run: Run) -> LeakBench:
    """Load the photos, the identity model and the attackers' recognisers."""
    chosen, loaded = run.preset, load_identity_model(run.model or DEFAULT_IDENTITY_MODEL)
    faces = leak_faces(people_of(run, loaded, "the leakage experiment"), chosen)
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


def _run(bench: LeakBench, folder: Path, progress: Progress, keep: Keep) -> dict[str, Any]:
    """Run all attacks on all variants."""
    jobs = {variant.name: partial(_attacked, bench, variant) for variant in _variants(bench)}
    found = each(jobs, keep, progress, "attack")
    return {"attribute_probe": _attribute_probe(bench), "variants": dict(zip(jobs, found, strict=True))}


def _variants(bench: LeakBench) -> list[Variant]:
    model, preset = bench.model, bench.preset

    def private(name: str, **options: Any) -> Variant:
        method = IdentityDP(model, epsilon=preset.epsilon, **options)
        trained = "attribute_epsilon" not in options  # choosing a public face takes a second per photo
        return Variant(name, partial(_protected, method, preset.seed), trained, method.guarantee().as_dict())

    found = [
        Variant("unprotected", lambda photos: photos),
        Variant("no noise", partial(in_chunks, IdentityDP(model).reconstruct)),
        private("identity-dp"),
        *(private(f"attributes of {side} px", attribute_side=side) for side in preset.sides),
        Variant("another's attributes", partial(_of_another, bench)),
    ]
    if preset.attribute_epsilon is not None:
        found.append(private("private attributes", attribute_epsilon=preset.attribute_epsilon))
    return found


def _protected(method: IdentityDP, seed: int, photos: Tensor) -> Tensor:
    rng = streams(seed)[f"dp {len(photos)}"]
    return in_chunks(lambda part: method.protect(part, rng=rng).images, photos)


def _of_another(bench: LeakBench, photos: Tensor) -> Tensor:
    """Fuse the photos' perturbed identities with the attributes of other people's photos."""
    model, strangers, preset = bench.model, bench.faces.strangers.images, bench.preset
    method, rng = IdentityDP(model, epsilon=preset.epsilon), streams(preset.seed)[f"dp {len(photos)}"]
    others = strangers[torch.randint(len(strangers), (len(photos),), generator=rng)]
    identities = method.perturb(in_chunks(model.identify, photos), rng=rng)
    return in_chunks(lambda vectors, part: model.fuse(vectors, model.attributes(part)), identities, others)


def _attacked(bench: LeakBench, variant: Variant) -> dict[str, Any]:
    """Run all attacks on one variant."""
    clear, probes, gallery = bench.clear, bench.faces.probes, bench.faces.gallery
    pictures = variant.make(probes.images).clamp(-1, 1)
    probed = bench.seen(pictures)
    found = [_row("recogniser", name, bench.nearest(probed[name], clear[name])) for name in bench.recognisers]
    for name in bench.recognisers:
        found += _without_noise(bench, name, pictures, probed[name])
    with_originals = torch.cat([read(bench.signal["pixels"], probes.images), clear["pixels"]])
    same = nearest(probed["pixels"], with_originals, probes.names, (*probes.names, *gallery.names))
    found.append(_row("same photo", "pixels", same))
    if variant.trained:
        made = bench.seen(variant.make(bench.faces.strangers.images).clamp(-1, 1))
        for name in bench.recognisers:
            found += _learnt_to_undo(bench, name, made, probed)
        found += _learnt_the_people(bench, variant)
    likeness = round(float(ssim(pictures, probes.images).mean()), 4)
    return {"of_a_release": variant.claim, "ssim": likeness, "attacks": found}


def _without_noise(bench: LeakBench, name: str, pictures: Tensor, probed: Tensor) -> list[dict[str, Any]]:
    """Run the attribute re-fusion attacks.

    The score fusion was fixed in advance: all three scores, equally weighted.
    """
    clear, probed_anew = bench.clear[name], bench.anew(pictures, name)
    anew, both = attacks.likeness(probed_anew, clear), attacks.likeness(probed_anew, bench.clear_anew[name])
    scores = {
        ("fused anew", name): anew,
        ("fused anew", f"{name}, the gallery too"): both,
        ("sum of scores", name): attacks.added_up(attacks.likeness(probed, clear), anew, both),
    }
    names = bench.faces.probes.names, bench.faces.gallery.names
    return [_row(attack, by, attacks.judged(table, *names)) for (attack, by), table in scores.items()]


def _learnt_to_undo(
    bench: LeakBench, recogniser: str, strangers: Signals, probed: Signals
) -> list[dict[str, Any]]:
    """Estimate features of the original photo from one or all signals of the protected photo."""
    before, rng = bench.before[recogniser], streams(bench.preset.seed)["network"]
    everything, asked = attacks.together(strangers, probed)
    estimates = {
        f"{recogniser}, linear": attacks.undone(strangers[recogniser], before, probed[recogniser]),
        f"{recogniser} from {EVERYTHING}, linear": attacks.undone(everything, before, asked),
        f"{recogniser} from {EVERYTHING}, network": attacks.undone(everything, before, asked, rng=rng),
    }
    clear = bench.clear[recogniser]
    return [_row("learnt to undo", name, bench.nearest(made, clear)) for name, made in estimates.items()]


def _learnt_the_people(bench: LeakBench, variant: Variant) -> list[dict[str, Any]]:
    """Train on half of the labelled protected photos and test on the rest; permuted labels as a control."""
    names, rng = bench.faces.named.names, streams(bench.preset.seed)
    labels, truth = names[::2], names[1::2]  # a person's photos are consecutive and even in number
    named = bench.seen(variant.make(bench.faces.named.images).clamp(-1, 1))
    split = {name: (values[::2], values[1::2]) for name, values in named.items()}
    train, test = ({name: halves[k] for name, halves in split.items()} for k in (0, 1))
    learnt, asked = attacks.together(train, test)
    split[EVERYTHING] = learnt, asked
    found = {f"{name}, linear": recognised(a, labels, b, truth) for name, (a, b) in split.items()}
    found[f"{EVERYTHING}, network"] = recognised(learnt, labels, asked, truth, rng=rng["network"])
    order = torch.randperm(len(labels), generator=rng["permutation"]).tolist()
    permuted = recognised(learnt, [labels[i] for i in order], asked, truth)
    rows = [_row("learnt the people", name, rate) for name, rate in found.items()]
    return [*rows, _row("learnt permuted names", f"{EVERYTHING}, linear", permuted)]


def _attribute_probe(bench: LeakBench) -> list[dict[str, Any]]:
    """Linear probe from the unperturbed attributes to the identity vector."""
    model, faces, attributes = bench.model, bench.faces, bench.signal["attributes"]
    wanted, clear, identities = (
        read(model.identify, part.images) for part in (faces.probes, faces.gallery, faces.public)
    )
    rows = []
    for side in (model.size, *bench.preset.sides):
        known, asked = (
            read(attributes, coarsened(part.images, side)) for part in (faces.public, faces.probes)
        )
        estimate = attacks.undone(known, identities, asked)
        cosine = round(float(F.cosine_similarity(estimate, wanted).mean()), 4)
        scores = _scores(bench.nearest(estimate, clear))
        rows.append({"attribute_side": side, "cosine_with_the_identity": cosine, **scores})
    return rows


def _row(attack: str, signal: str, found: Reidentification) -> dict[str, Any]:
    return {"attack": attack, "signal": signal, **_scores(found)}


def _scores(found: Reidentification) -> dict[str, Any]:
    """Rates with confidence intervals, and the chance level."""
    return {"people": found.people, "guessing": round(1 / found.people, 4), **rates(found)}


LEAK = experiment(
    "identity-dp/leak",
    revision=2,
    presets=LEAK_PRESETS,
    load=_load,
    measure=whole(_run),
    figures={"leak": drawing},
    table=leak_tables,
)
