"""Does a received image still show the same person? Two numbers per image, by a recogniser of the caller's choice.

What is compared decides what the numbers mean: against the source they include the error of inversion, against the
inverted image (what error-free transmission gives) they do not.
"""

from torch import Tensor

from semveil.metrics.checks import check_pairs
from semveil.recognition.verifier import Verifier


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

    The mean over images is the papers' FPPSR. An image without any face counts as another person: the recogniser looks at
    the place where the face would be. High is good at the eavesdropper, low is good at the legitimate receiver.

    Args:
        source: (B, 3, S, S) in [-1, 1], aligned.
        received: the same shape.
        verifier: the recogniser with its threshold; state both beside the number.

    Returns:
        (B,) of 1.0 (protected: a different person) and 0.0 (recognised).
    """
    check_pairs(source, received)
    return (~verifier.same(verifier.embed(source), verifier.embed(received))).float()
