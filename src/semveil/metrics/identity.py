# SPDX-License-Identifier: Apache-2.0
"""Identity metrics per image, by a recogniser of the caller's choice.

What is compared decides what the numbers mean: against the source they include the error of inversion,
against the inverted image (what error-free transmission gives) they do not.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from semveil.metrics.checks import check_pairs
from semveil.recognition.verifier import ArcFaceVerifier, Verifier


def identity_similarity(source: Tensor, received: Tensor, verifier: Verifier) -> Tensor:
    """How alike the two faces are, on the verifier's own scale (higher is more alike).

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
    """Face privacy protection success: whether the verifier takes the received face for another person ([DPI] 4.1.2).

    The mean over images is the papers' FPPSR. An image without any face counts as another person: the
    recogniser looks at the place where the face would be. High is good at the eavesdropper, low is good at
    the legitimate receiver.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifier: the recogniser with its threshold; state both beside the number.

    Returns:
        (B,) of 1.0 (protected: a different person) and 0.0 (recognised).
    """
    check_pairs(source, received)
    return (~verifier.same(verifier.embed(source), verifier.embed(received))).float()


def iss(source: Tensor, received: Tensor, *, verifier: ArcFaceVerifier | None = None) -> Tensor:
    """Identity similarity score: the cosine of the two faces' ArcFace embeddings ([DPI] 4.1.2).

    From 0.3 on ArcFace takes them for one person (`recognition.verifier.ARCFACE_SIMILARITY`, [DPI] Fig. 10),
    so `fppsr` by the same verifier is 1 exactly where this is below. The paper's second column, Microsoft's
    service, is not reproduced; a similarity by another recogniser is `identity_similarity`, which has another
    scale.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifier: loaded ArcFace; the catalogue's where None, read anew at each call.

    Returns:
        (B,) in [-1, 1].

    Raises:
        WeightsMissing: no verifier is given and ArcFace's weights are not on this machine.
    """
    return identity_similarity(source, received, verifier or ArcFaceVerifier())


def identity_distance(source: Tensor, received: Tensor, verifier: Verifier) -> Tensor:
    """Euclidean distance of the two faces' identity vectors ([IDP] V-B, there by FaceNet).

    Unit vectors of unrelated faces lie about sqrt(2) = 1.41 apart; for unit vectors the distance is sqrt(2 -
    2 cosine).

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifier: the recogniser; state it beside the number.

    Returns:
        (B,); 0 for equal images.
    """
    check_pairs(source, received)
    return (verifier.embed(source) - verifier.embed(received)).norm(dim=1)


def psr(source: Tensor, received: Tensor, verifiers: Sequence[Verifier]) -> Tensor:
    """Protection success against several recognisers: none of them accepts the received face ([IDP] V-B).

    The paper uses Microsoft's service, which is not generally available; local recognisers replace it. One
    acceptance counts as a failure, since an attacker may use the best recogniser. With a single verifier this
    is `fppsr`.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifiers: one or more, each with its threshold; state them beside the number.

    Returns:
        (B,) of 1.0 (protected from all) and 0.0 (recognised by one or more).

    Raises:
        ValueError: no verifier is given.
    """
    if not verifiers:
        raise ValueError("protection success needs at least one verifier, got none")
    return torch.stack([fppsr(source, received, verifier).cpu() for verifier in verifiers]).amin(0)
