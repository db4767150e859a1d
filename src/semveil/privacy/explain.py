# SPDX-License-Identifier: Apache-2.0
"""Explanation of a certificate in plain words: its guarantee, its limits, and epsilon as odds."""

import math
from decimal import ROUND_CEILING, Decimal

from semveil.core.rounding import text_above
from semveil.faces.parts import CODES, describe_codes
from semveil.privacy.caveats import Caveat
from semveil.privacy.certificate import Certificate, ReleaseKind
from semveil.privacy.guarantee import Basis, Guarantee
from semveil.privacy.strength import STRENGTHS, best_guess, in_a_word, strength

_OBJECTS = {
    ReleaseKind.IMAGE: "picture",
    ReleaseKind.SYMBOLS: "message",
    ReleaseKind.MESSAGE: "message",
    ReleaseKind.DATA_SET: "data set",
    ReleaseKind.CLIP: "clip",
}
_RECORDS = {ReleaseKind.CLIP: "clip"}
_BASES = {
    Basis.PROVED: (
        "a mathematical proof for the noise as it was drawn; it assumes nothing about an attacker's "
        "computing power."
    ),
    Basis.COMPUTATIONAL: (
        "cryptography: it holds as long as the key stays secret and nobody has the computing power to break "
        "the cipher. It is not an information-theoretic guarantee."
    ),
    Basis.OBSERVED_SENSITIVITY: (
        "the largest difference observed among a set of photos. A photo unlike those may be protected less, "
        "or not at all."
    ),
    Basis.FITTED: "a noise law fitted to outputs. It describes them and guarantees nothing.",
    Basis.SIMULATION: (
        "a proof for ideal noise, while the noise in this file is ordinary floating point from a seeded "
        "stream, whose lowest bits can leak values. Suitable for research; do not rely on it for a release."
    ),
    Basis.NONE: "nothing. No claim is made, however chaotic the output looks.",
}

_SEALED = (
    "Everything above applies to the {thing} alone. Anyone who gets the key to the sealed part has the "
    "{record}, so nothing is guaranteed against them; a key that leaks later opens what was sealed before."
)
_IDEALS = {  # unchecked condition under which an epsilon would hold
    Basis.SIMULATION: "if the noise were ideal",
    Basis.OBSERVED_SENSITIVITY: "if the photo differs from others no more than the observed ones did",
}


def explain(certificate: Certificate) -> list[str]:
    """Explain a certificate to a reader who knows neither the software nor differential privacy.

    Args:
        certificate: of the release.

    Returns:
        One line per topic.

    Example:
        >>> claim = Guarantee(1.0, "all codes", Basis.PROVED)
        >>> made = Certificate(release="image", method="dp-semcom", protection="laplace", guarantee=claim)
        >>> explain(made)[0]
        'In short: the photo as a whole is protected in this picture with epsilon 1: strong (basis: proved),
        for all codes.'
    """
    claim = certificate.guarantee
    lines = [
        _in_short(certificate),
        f"Protected: {_protected(claim)}",
        f"Not protected: {_not_protected(claim, _RECORDS.get(certificate.release, 'photo'))}",
    ]
    lines += [f"Against whom: {_against_whom(certificate)}"]
    lines += explain_epsilon(claim, _RECORDS.get(certificate.release, "photo"))
    lines += [f"The claim (basis: {claim.basis.value}) rests on {_BASES[claim.basis]}"]
    if claim.assumptions:
        lines.append(f"It holds only if: {'; '.join(claim.assumptions)}.")
    if certificate.sealed is not None:
        more = "; ".join(text for text in certificate.sealed.assumptions if text not in claim.assumptions)
        joint = f"{certificate.sealed.summary()} It holds only if, besides: {more}."
        lines.append(_with_originals(certificate.release, joint))
    lines += _how(certificate)
    is_clip = certificate.release == ReleaseKind.CLIP
    lines += [f"Note ({caveat.value}): {caveat.meaning_for(clip=is_clip)}." for caveat in certificate.caveats]
    return [*lines, *_origin(certificate)]


def _with_originals(release: ReleaseKind, joint: str) -> str:
    if release == ReleaseKind.CLIP:
        alone = _SEALED.format(thing="clip", record="original clip")
        return f"With the sealed original, beside the clip: {joint} {alone}"
    alone = _SEALED.format(thing="picture", record="photo")
    return f"With the sealed originals, beside the picture or in it: {joint} {alone}"


def _in_short(certificate: Certificate) -> str:
    claim, thing = certificate.guarantee, _OBJECTS[certificate.release]
    record = _RECORDS.get(certificate.release, "photo")
    if claim.epsilon is None:
        return (
            f"In short: nothing is guaranteed about this {thing}, because {claim.reason} (basis: "
            f"{claim.basis.value})."
        )
    word = in_a_word(claim.epsilon, claim.delta)
    epsilon = f"epsilon {_up(claim.epsilon)}{_delta(claim)}"
    ideally = f", {_IDEALS[claim.basis]}" if claim.basis in _IDEALS else ""
    if word == STRENGTHS[-1].word:
        said = f"{'would have' if ideally else 'has'} {epsilon} in this {thing}{ideally}"
    else:
        verb = f"would be protected in this {thing}{ideally}," if ideally else f"is protected in this {thing}"
        said = f"{verb} with {epsilon}"
    said += f": {word} (basis: {claim.basis.value}), for {claim.covers}"
    if claim.whole_record_epsilon is None:
        return f"In short: part of the {record} {said}; the rest is not protected."
    return f"In short: the {record} as a whole {said}."


def _protected(claim: Guarantee) -> str:
    if claim.epsilon is None:
        return "nothing that can be relied on" + (
            "." if claim.covers == "nothing" else f"; what was changed: {claim.covers}."
        )
    return f"{_IDEALS[claim.basis]}, {claim.covers}." if claim.basis in _IDEALS else f"{claim.covers}."


def _not_protected(claim: Guarantee, record: str) -> str:
    never = "Never covered: the photos on which the model was trained, and when and how much was sent."
    if claim.not_covered:
        rest = "; ".join(claim.not_covered)
        return f"{rest}. So no finite epsilon holds for the {record} as a whole. {never}"
    whole = (
        f"nothing that is computed from the {record} is left out"
        if claim.epsilon is not None
        else "everything that the file shows"
    )
    return f"{whole}. {never}"


def _against_whom(certificate: Certificate) -> str:
    claim = certificate.guarantee
    reader = "hears the symbols" if certificate.release == ReleaseKind.SYMBOLS else "has the file"
    if claim.epsilon is None:
        return f"nobody; assume that anyone who {reader} can find out who is shown."
    if claim.basis == Basis.COMPUTATIONAL:
        return (
            f"anyone who {reader} and knows the software and all of its settings, but not the key. Not "
            "against anyone who holds the key."
        )
    anyone = (
        f"anyone who {reader}, even with full knowledge of the software, its settings and other photos of "
        "the person. That includes Bob."
    )
    return f"{_IDEALS[claim.basis]}, {anyone}" if claim.basis in _IDEALS else anyone


def explain_epsilon(claim: Guarantee, record: str = "photo") -> list[str]:
    """Explain a finite epsilon as odds, with its limits; no lines where there is none.

    Args:
        claim: whose epsilon is explained.
        record: unit of protection, in a word.
    """
    if claim.epsilon is None:
        return []
    epsilon, right = claim.epsilon, best_guess(claim.epsilon, claim.delta)
    same = " that agree in everything that is not protected" if claim.not_covered else ""
    who = "nobody without the key" if claim.basis == Basis.COMPUTATIONAL else "nobody"
    feasibly = "as far as anyone can compute, " if claim.basis == Basis.COMPUTATIONAL else ""
    ideally = f"{_IDEALS[claim.basis]}, " if claim.basis in _IDEALS else ""
    odds = (
        f"no outcome is likelier for one {record} than for the other"
        if epsilon == 0
        else f"no outcome is more than {_factor(epsilon)} times as likely for one {record} as for the other"
    )
    limit = (
        f"{who} can tell from the release which one it was more than {_percent(right)} of the time (blind "
        "guessing: 50 %)"
        if right <= STRENGTHS[-2].most
        else "an epsilon this large does not rule out that someone can tell which one it was practically "
        "every time"
    )
    apart = f", apart from {_up(claim.delta)} (delta)" if claim.delta else ""
    lines = [
        f"What epsilon {_up(epsilon)} means for {claim.covers} (basis: {claim.basis.value}): take any two "
        f"{record}s{same} and release one of them, chosen by a coin toss; {ideally}{limit}. In other words, "
        f"{feasibly}{odds}{apart}. {strength(epsilon, claim.delta).meaning}"
    ]
    if claim.not_covered:
        lines.append(
            "What epsilon does not count: what the unprotected rest reveals about the person and, because "
            "the parts of a face are correlated, about the protected part too."
        )
    if claim.metric:
        lines.append(
            f"Similar photos are harder to tell apart: the exponent is at most {_up(claim.metric.rate)} "
            f"per unit of {claim.metric.norm.value} distance of {claim.metric.space} (basis: "
            f"{claim.basis.value})."
        )
    return lines


def _how(certificate: Certificate) -> list[str]:
    lines = []
    sensitivity, bounds = certificate.sensitivity, certificate.bounds
    if certificate.mechanism:
        unit = "8-bit levels"  # without a model, the noise is on pixels
        if certificate.model:
            unit = "latent units" if certificate.bounds is None else "in the unit of the bounds"
        scale = f" of scale {certificate.scale:.6g} ({unit})" if certificate.scale else ""
        step = f", on a public grid of step {certificate.grid_step:g}" if certificate.grid_step else ""
        lines.append(f"Mechanism: {certificate.mechanism}{scale}{step}.")
    if bounds:
        kind = (
            "separate bounds for each number, within"
            if bounds.per_coordinate
            else "the same bounds for all numbers,"
        )
        lines.append(
            f"Values were clipped to {kind} {bounds.lower:.6g} to {bounds.upper:.6g}. Source: "
            f"{bounds.source}."
        )
    if sensitivity:
        lines.append(
            f"Sensitivity: two photos' clipped values lie at most {sensitivity.value:.6g} apart in "
            f"{sensitivity.norm.value} norm over {sensitivity.dimension:,} numbers (basis: "
            f"{sensitivity.basis.value}). Source: {sensitivity.source}."
        )
    if certificate.part_budgets:
        shares = ", ".join(
            f"{part} {text_above(epsilon)} ({in_a_word(epsilon)})"
            for part, epsilon in certificate.part_budgets.items()
        )
        lines.append(
            f"Epsilon by part (basis: {certificate.guarantee.basis.value}; they add up for the person): "
            f"{shares}."
        )
    codes = certificate.private_codes
    if codes:
        words = ", ".join(describe_codes(codes)) if max(codes) < CODES else ", ".join(map(str, codes))
        lines.append(f"Private codes: {'all' if codes == tuple(range(CODES)) else words}.")
    if (
        certificate.nominal_epsilon is not None
        and certificate.nominal_epsilon != certificate.guarantee.epsilon
    ):
        named = f" with calibration {certificate.calibration}" if certificate.calibration else ""
        lines.append(
            f"Requested: nominal epsilon {certificate.nominal_epsilon:g}{named}. That is the name of a "
            "setting (basis: none); what holds is stated above."
        )
    if certificate.images > 1:
        things = "faces of a photo" if Caveat.PASTE_BACK in certificate.caveats else "photos"
        things = (
            "faces, each followed through the clip" if certificate.release == ReleaseKind.CLIP else things
        )
        lines.append(
            f"The release was made from {certificate.images} {things}. The guarantee holds for each of them "
            "separately; where several show one person, their epsilons and deltas add up."
        )
    return lines


def _origin(certificate: Certificate) -> list[str]:
    model = f", model {certificate.model}" if certificate.model else ""
    weights = f" (weights {certificate.model_hash})" if certificate.model_hash else ""
    weights += f", public bounds {certificate.bounds_hash}" if certificate.bounds_hash else ""
    commit = f" (commit {certificate.commit})" if certificate.commit else ""
    lines = [
        f"Made with: semveil {certificate.software_version}{commit}, method {certificate.method}, protection "
        f"{certificate.protection}{model}{weights}."
    ]
    if certificate.output:
        lines.append(f"Belongs to: the {certificate.output.of} with SHA-256 {certificate.output.sha256}.")
    return [
        *lines,
        f"Release {certificate.release_id}: files with this number come from the same release.",
        "Validity: this certificate is a statement by the maker of the file. It is not signed, so it reveals "
        "damage and mix-ups but not forgery. It does not say whether there are other releases about the "
        "person.",
    ]


def _delta(claim: Guarantee) -> str:
    return f" and delta {_up(claim.delta)}" if claim.delta else ""


def _up(value: float) -> str:
    """Four digits, rounded up."""
    text = text_above(value, 4)
    return text if float(text) < 1e4 else f"{float(text):,.0f}"


def _percent(share: float) -> str:
    """Percentage, rounded up."""
    step = Decimal("0.0001" if 0.5 < share < 0.5001 else "0.01")
    return f"{float((Decimal(repr(share)) * 100).quantize(step, ROUND_CEILING)):g} %"


def _factor(epsilon: float) -> str:
    """exp(epsilon), rounded up."""
    if epsilon < 12:
        return _up(math.nextafter(math.exp(epsilon), math.inf))
    return f"10^{math.ceil(epsilon / math.log(10) * 10) / 10:g}"
