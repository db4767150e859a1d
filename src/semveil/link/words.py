# SPDX-License-Identifier: Apache-2.0
"""Metrics of images in words: the verifier's decision, and the meaning of each metric."""

from typing import Any

LEGEND = {
    "lpips": (
        "LPIPS",
        "distance to the photo as AlexNet sees it; 0 is the same. The generator was trained on it",
    ),
    "lpips_squeeze": ("LPIPS-S", "the same as SqueezeNet sees it, on which nothing was trained"),
    "psnr": ("PSNR", "similarity to the photo in dB, from the squared error of pixels; higher is closer"),
    "ssim": ("SSIM", "similarity to the photo in structure; 1 is identical"),
    "fppsr": (
        "FPPSR",
        "face privacy protection success rate: 1 where {verifier} takes the picture for another person than "
        "the photo's, 0 where for the same",
    ),
    "face_detected": ("face", "1 where a detector finds a face in the picture"),
}
"""Short name and meaning of each metric of `measure`."""


def legend(metrics: list[str], verifier: str) -> list[tuple[str, str]]:
    """Short names and meanings of metrics, for readers of a table.

    Args:
        metrics: metric names, as in `measure`.
        verifier: name of the verifier that decides FPPSR.

    Example:
        >>> legend(["ssim"], "dlib")
        [('SSIM', 'similarity to the photo in structure; 1 is identical.')]
    """
    return [
        (name, f"{text.format(verifier=verifier)}.") for name, text in (LEGEND[metric] for metric in metrics)
    ]


def person(metrics: dict[str, Any]) -> str:
    """The verifier's decision on one image, in words.

    Args:
        metrics: metrics with `fppsr`: 0 same person, 1 another person, None undecided.

    Example:
        >>> person({"fppsr": 1.0}), person({"fppsr": 0.0}), person({"fppsr": None})
        ('another person', 'same person', 'not judged')
    """
    return {None: "not judged", 0.0: "same person", 1.0: "another person"}[metrics["fppsr"]]


def persons(records: list[dict[str, Any]], verifier: str) -> str:
    """The verifier's decisions on the images of one party, as a sentence.

    Args:
        records: metrics of each image, at least one: `fppsr` (0, 1 or None), and `face_detected` where
            measured.
        verifier: name of the verifier.

    Example:
        >>> persons([{"fppsr": 1.0, "face_detected": 1.0}], "dlib")
        'another person, says dlib'
        >>> persons([{"fppsr": 1.0, "face_detected": 0.0}], "dlib")
        'another person, says dlib; no face is found'
        >>> persons([{"fppsr": 1.0}, {"fppsr": 0.0}], "dlib")
        'the same person in 1 of 2 pictures, says dlib'
    """
    judged = [record for record in records if record["fppsr"] is not None]
    if not judged:
        return "not judged: no face is found, or the recogniser is missing"
    if len(records) > 1:
        return (
            f"the same person in {sum(not r['fppsr'] for r in judged)} of {len(records)} pictures, says "
            f"{verifier}"
        )
    unseen = "; no face is found" if records[0].get("face_detected") == 0 else ""
    return f"{person(records[0])}, says {verifier}{unseen}"
