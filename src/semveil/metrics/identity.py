# SPDX-License-Identifier: Apache-2.0
"""Identity metrics per image, by any face recogniser.

The reference determines the meaning: compared with the source, a value includes the error of inversion;
compared with the inverted image (the output of error-free transmission), it does not.

"""

from collections.abc import Sequence

import torch
from torch import Tensor

from semveil.metrics.checks import check_pairs
from semveil.recognition.verifier import ArcFaceVerifier, Verifier


def identity_similarity(source: Tensor, received: Tensor, verifier: Verifier) -> Tensor:
    """Similarity of the two faces on the verifier's own scale (higher is more similar).

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifier: the recogniser.

    Returns:
        (B,).
    """
    check_pairs(source, received)
    return verifier.similarity(verifier.embed(source), verifier.embed(received))


def fppsr(source: Tensor, received: Tensor, verifier: Verifier) -> Tensor:
    """Face privacy protection success: 1 where the verifier rejects the received face ([DPI] 4.1.2).

    The mean over images is the papers' FPPSR. The recogniser reads a fixed position, so an image without any
    face counts as a different person. High values are good at the eavesdropper, low values at the legitimate
    receiver.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifier: the recogniser with its threshold; report both with the value.

    Returns:
        (B,) of 1.0 (protected: a different person) and 0.0 (recognised).
    """
    check_pairs(source, received)
    return (~verifier.same(verifier.embed(source), verifier.embed(received))).float()


def iss(source: Tensor, received: Tensor, *, verifier: ArcFaceVerifier | None = None) -> Tensor:
    """Identity similarity score: cosine of the two faces' ArcFace embeddings ([DPI] 4.1.2).

    ArcFace accepts a pair at 0.3 or more (`recognition.verifier.ARCFACE_SIMILARITY`, [DPI] Fig. 10), so
    `fppsr` by the same verifier is 1 exactly where the score is below. The paper's second column, Microsoft's
    service, is not reproduced; for other recognisers, on their own scales, use `identity_similarity`.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifier: loaded ArcFace; None loads the catalogue's at each call.

    Returns:
        (B,) in [-1, 1].

    Raises:
        WeightsMissing: no verifier is given and ArcFace's weights are not installed.
    """
    return identity_similarity(source, received, verifier or ArcFaceVerifier())


def identity_distance(source: Tensor, received: Tensor, verifier: Verifier) -> Tensor:
    """Euclidean distance of the two faces' identity vectors ([IDP] V-B, where FaceNet is used).

    For unit vectors the distance is sqrt(2 - 2 cosine), about sqrt(2) = 1.41 for unrelated faces.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifier: the recogniser; report it with the value.

    Returns:
        (B,); 0 for equal images.
    """
    check_pairs(source, received)
    return (verifier.embed(source) - verifier.embed(received)).norm(dim=1)


def psr(source: Tensor, received: Tensor, verifiers: Sequence[Verifier]) -> Tensor:
    """Protection success against several recognisers: 1 where none accepts the received face ([IDP] V-B).

    The paper uses Microsoft's service, which is not generally available; local recognisers replace it. One
    acceptance counts as a failure, since an attacker may use the best recogniser. With a single verifier this
    is `fppsr`.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifiers: one or more, each with its threshold; report them with the value.

    Returns:
        (B,) of 1.0 (protected from all) and 0.0 (recognised by one or more).

    Raises:
        ValueError: no verifier is given.
    """
    if not verifiers:
        raise ValueError("protection success needs at least one verifier, got none")
    return torch.stack([fppsr(source, received, verifier).cpu() for verifier in verifiers]).amin(0)
