# SPDX-License-Identifier: Apache-2.0
"""Metrics of a simulated transmission: one JSON-ready record per photo, with metric names as in `metrics`."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from semveil.core.weights import WeightsMissing
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.transmission import WiretapResult
from semveil.metrics import face_detected, fppsr, identity_similarity, lpips, psnr, ssim
from semveil.recognition.verifier import Verifier

PARTIES = ("inverted", "direct", "bob", "eve")


def measure(
    result: WiretapResult,
    method: DPSemCom,
    verifier: Verifier,
    *,
    ids: Sequence[str],
    to_inversion: bool = True,
    parties: Sequence[str] = PARTIES,
) -> list[dict[str, Any]]:
    """Compare every party's images with the source and with the inversion.

    The inversion is the result of an error-free channel.

    Args:
        result: a simulated transmission.
        method: method that produced it.
        verifier: decides FPPSR; its name and threshold belong in the result's config.
        ids: pseudonymous name of each photo.
        to_inversion: also compare with the inversion (keys `..._to_inversion`).
        parties: parties whose images are measured.

    Returns:
        One record per photo: `source`, `nominal_epsilon`, `guarantee` and a table of metrics per party. A
            metric whose weights are not installed is None, with the reason under `<metric>_reason`.
    """
    guarantee = result.transmission.guarantee.as_dict()
    nominal = method.nominal_epsilon
    records: list[dict[str, Any]] = [
        {"source": name, "nominal_epsilon": nominal, "guarantee": guarantee} for name in ids
    ]
    # On the CPU, for reproducible sums.
    source, inverted = result.source.cpu().clamp(-1, 1), result.inverted.cpu().clamp(-1, 1)
    for party in parties:
        images = getattr(result, party).cpu().clamp(-1, 1)
        columns = compare(source, images, verifier)
        if to_inversion and party != "inverted":
            for name, values in compare(inverted, images, verifier, detect=False).items():
                key = (
                    name.replace("_reason", "_to_inversion_reason")
                    if name.endswith("_reason")
                    else f"{name}_to_inversion"
                )
                columns[key] = values
        for i, record in enumerate(records):
            record[party] = {
                name: values if isinstance(values, str) or values is None else values[i]
                for name, values in columns.items()
            }
    return records


def compare(reference: Tensor, images: Tensor, verifier: Verifier, *, detect: bool = True) -> dict[str, Any]:
    """Compute every metric between images and their references.

    Args:
        reference: (B, 3, S, S) in [-1, 1].
        images: (B, 3, S, S) in [-1, 1], in the same order.
        verifier: decides FPPSR and identity similarity.
        detect: also run the face detector.

    Returns:
        Metric name -> list of B values, None for a value that is not finite. A metric whose weights are
        missing is None, with the reason under `<metric>_reason`.
    """
    columns: dict[str, Any] = {}
    metrics: dict[str, Callable[[], Tensor]] = {
        "lpips": lambda: lpips(images, reference),  # generator and inversion may be trained on this metric
        "lpips_squeeze": lambda: lpips(images, reference, net="squeeze"),
        "psnr": lambda: psnr(images, reference),
        "ssim": lambda: ssim(images, reference),
        "fppsr": lambda: fppsr(reference, images, verifier),
        "identity_similarity": lambda: identity_similarity(reference, images, verifier),
    }
    if detect:
        metrics["face_detected"] = lambda: face_detected(images).float()
    for name, metric in metrics.items():
        try:
            columns[name] = [v if math.isfinite(v) else None for v in metric().tolist()]
        except WeightsMissing as error:
            columns[name], columns[f"{name}_reason"] = None, str(error)
    return columns
