# SPDX-License-Identifier: Apache-2.0
"""Face verification: one interface over several recognisers, each with its own threshold."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.device import Movable, precision_of
from semveil.core.digests import digest_of_file, digest_of_tensors
from semveil.core.weights import require
from semveil.faces.pixels import check_floats, to_pixels
from semveil.recognition.arcface import ArcFaceIRSE50
from semveil.recognition.crop import ARCFACE_CROP, DLIB_CHIP, FACENET_CROP, crop_faces
from semveil.recognition.dlib_faces import describe_faces, recogniser_file
from semveil.recognition.facenet import FaceNet
from semveil.recognition.identity_encoder import IdentityEncoder, load_identity_encoder

DLIB_DISTANCE = 0.6  # threshold on the Euclidean distance by dlib's author
ARCFACE_SIMILARITY = 0.3  # threshold of Liu et al. (DP-Image, Fig. 10), "as recommended"
CHUNK = 64  # images at a time


class Verifier(ABC):
    """Recogniser with a decision rule: a pair is accepted if its similarity reaches the threshold.

    Attributes:
        name: name recorded in results, together with the threshold.
        threshold: minimum `similarity` for acceptance; scales and thresholds differ between verifiers.
    """

    name: str
    threshold: float

    @property
    def digest(self) -> str | None:
        """SHA-256 of the weights, 64 hex digits; None if not available."""
        return None

    @abstractmethod
    def embed(self, images: Tensor) -> Tensor:
        """Compute identity vectors of aligned faces.

        Args:
            images: (B, 3, S, S) in [-1, 1], aligned by `data.align`.

        Returns:
            (B, E), on the verifier's own scale.
        """

    @abstractmethod
    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        """Compute the similarity of every pair from two sets of identity vectors; higher is more similar.

        Args:
            a: (A, E).
            b: (B, E).

        Returns:
            (A, B).
        """

    @abstractmethod
    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Compute the similarity of identity vectors row by row; higher is more similar.

        Args:
            a: (B, E).
            b: (B, E).

        Returns:
            (B,).
        """

    def same(self, a: Tensor, b: Tensor) -> Tensor:
        """Return whether the two faces of each row are accepted as one person: similarity >= `threshold`.

        Args:
            a: (B, E).
            b: (B, E).

        Returns:
            (B,) bool.
        """
        return self.similarity(a, b) >= self.threshold


class DlibVerifier(Verifier):
    """dlib's 128-D recogniser; similarity is 1 - Euclidean distance.

    Not differentiable. About 60 ms per image on one core. The author's threshold of 0.6 on the distance, 0.4
    on this scale, was chosen on larger photos; `measured_threshold` returns the threshold at which 0.1 %
    of impostor pairs at 128 px are accepted.

    Args:
        threshold: threshold on 1 - distance.

    Example:
        >>> verifier = DlibVerifier()
        >>> face = torch.zeros(1, 128)
        >>> verifier.same(face, face + 0.55 / 128**0.5), verifier.same(face, face + 0.65 / 128**0.5)
        (tensor([True]), tensor([False]))
    """

    name = "dlib"

    def __init__(self, *, threshold: float = 1 - DLIB_DISTANCE) -> None:
        self.threshold = threshold

    @property
    def digest(self) -> str:
        return digest_of_file(recogniser_file())

    def embed(self, images: Tensor) -> Tensor:
        """dlib's face descriptors (B, 128) of images (B, 3, S, S) in [-1, 1], on the CPU."""
        check_floats(images)
        chunks = [
            describe_faces(to_pixels(crop_faces(part, DLIB_CHIP)))
            for part in images.detach().cpu().split(CHUNK)
        ]
        return torch.tensor(np.concatenate(chunks), dtype=torch.float32)

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        """1 - Euclidean distance, (A, B)."""
        return 1 - torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")  # accurate near 0

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """1 - Euclidean distance, (B,)."""
        return 1 - (a - b).norm(dim=-1)


class OnnxVerifier(Verifier):
    """Recogniser in an ONNX file that takes ArcFace crops; similarity is the cosine.

    The input is (n, 3, 112, 112) RGB in [-1, 1]. Not differentiable. EdgeFace-XS takes about 5 ms per image
    on one core. Needs `pip install semveil[onnx]`.

    Args:
        path: the file.
        threshold: cosine threshold, from `measured_threshold` or `data.pairs.calibrate_threshold`.
        name: name in results; None for the file's name.

    Raises:
        BadCheckpoint: the file is missing, or is not an ONNX network with that input.
        ImportError: onnxruntime is not installed.
    """

    def __init__(self, path: str | Path, *, threshold: float, name: str | None = None) -> None:
        self.threshold = threshold
        self.name = name or Path(path).stem
        self._path = Path(path)
        self._session = _onnx_session(Path(path))
        self._input = self._session.get_inputs()[0].name

    @property
    def digest(self) -> str:
        return digest_of_file(self._path)

    def embed(self, images: Tensor) -> Tensor:
        """Unit vectors (B, E) of images (B, 3, S, S) in [-1, 1], cropped as for ArcFace, on the CPU."""
        check_floats(images)
        chunks = [
            crop_faces(part.float(), ARCFACE_CROP).numpy() for part in images.detach().cpu().split(CHUNK)
        ]
        return F.normalize(
            torch.from_numpy(np.concatenate([self._session.run(None, {self._input: c})[0] for c in chunks]))
        )

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine similarity, (A, B)."""
        return a @ b.T

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine similarity, (B,)."""
        return (a * b).sum(-1)


class ArcFaceVerifier(Verifier):
    """The official ArcFace IR-SE50; similarity is the cosine.

    Differentiable.

    Args:
        recogniser: the loaded network; None loads it from `$SEMVEIL_HOME`.
        threshold: cosine threshold.

    Raises:
        WeightsMissing: no recogniser is given and the file is not installed.
    """

    name = "arcface"

    def __init__(
        self, recogniser: ArcFaceIRSE50 | None = None, *, threshold: float = ARCFACE_SIMILARITY
    ) -> None:
        self.recogniser = recogniser or ArcFaceIRSE50.from_official(require("arcface"))
        self.threshold = threshold

    @property
    def digest(self) -> str:
        return digest_of_tensors(self.recogniser.state_dict().values())

    def embed(self, images: Tensor) -> Tensor:
        """Unit vectors (B, 512) of images (B, 3, S, S) in [-1, 1]."""
        return torch.cat(
            [
                self.recogniser.embed(crop_faces(part, ARCFACE_CROP))
                for part in _as_floats_of(self.recogniser, images).split(CHUNK)
            ]
        )

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine similarity, (A, B)."""
        return a @ b.T

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine similarity, (B,)."""
        return (a * b).sum(-1)


class FaceNetVerifier(Verifier):
    """FaceNet, the recogniser of [IDP]'s identity distance; similarity is the cosine.

    Differentiable. Its authors state no threshold for aligned crops, and none was measured here.

    Args:
        recogniser: the loaded network; None loads it from `$SEMVEIL_HOME`.
        threshold: cosine threshold, from `data.pairs.calibrate_threshold`. `metrics.identity_distance` does
            not use it.
        trained_on: training set of the weights, `vggface2` or `casia`; part of the name.

    Raises:
        WeightsMissing: no recogniser is given and the file is not installed.
        ValueError: no recogniser is given and `trained_on` is unknown.
    """

    def __init__(
        self, recogniser: FaceNet | None = None, *, threshold: float, trained_on: str = "vggface2"
    ) -> None:
        self.name = f"facenet-{trained_on}"
        self.recogniser = recogniser or FaceNet.from_official(require(self.name))
        self.threshold = threshold

    @property
    def digest(self) -> str:
        return digest_of_tensors(self.recogniser.state_dict().values())

    def embed(self, images: Tensor) -> Tensor:
        """Unit vectors (B, 512) of images (B, 3, S, S) in [-1, 1]."""
        standardised = 127.5 / 128  # (pixel - 127.5) / 128 of images in [-1, 1]
        images = _as_floats_of(self.recogniser, images)
        crops = (crop_faces(part, FACENET_CROP) * standardised for part in images.split(CHUNK))
        return torch.cat([self.recogniser.embed(part) for part in crops])

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine similarity, (A, B)."""
        return a @ b.T

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine similarity, (B,)."""
        return (a * b).sum(-1)


class BundledVerifier(Verifier):
    """The bundled identity encoder; similarity is the cosine.

    Differentiable. About 2 ms per image on one core. identity-dp perturbs this encoder's identity vector, so
    it is no independent judge of that method.


    Args:
        encoder: the loaded encoder; None for the bundled one.
        threshold: cosine threshold, from `measured_threshold`.
    """

    name = "bundled"

    def __init__(self, encoder: IdentityEncoder | None = None, *, threshold: float) -> None:
        self.encoder = encoder or load_identity_encoder()
        self.threshold = threshold

    @property
    def digest(self) -> str:
        return digest_of_tensors(self.encoder.state_dict().values())

    def embed(self, images: Tensor) -> Tensor:
        """Unit vectors (B, E) of images (B, 3, S, S) in [-1, 1], resized to the encoder's input size."""
        size, images = self.encoder.config.size, _as_floats_of(self.encoder, images)
        if images.shape[-1] != size:
            images = F.interpolate(images, (size, size), mode="bilinear", align_corners=False, antialias=True)
        return torch.cat([self.encoder(part) for part in images.split(CHUNK)])

    def similarities(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine similarity, (A, B)."""
        return a @ b.T

    def similarity(self, a: Tensor, b: Tensor) -> Tensor:
        """Cosine similarity, (B,)."""
        return (a * b).sum(-1)


def _onnx_session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("ONNX recognisers need onnxruntime: pip install 'semveil[onnx]'") from error
    if not path.is_file():
        raise BadCheckpoint(f"no ONNX file {path}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exception types are not public
        raise BadCheckpoint(f"{path.name} is no ONNX network that can be run here") from error
    shape = session.get_inputs()[0].shape
    if list(shape[1:]) != [3, ARCFACE_CROP.size, ARCFACE_CROP.size]:
        raise BadCheckpoint(f"{path.name} takes input {shape}, expected (n, 3, 112, 112)")
    return session


def _as_floats_of(network: Movable, images: Tensor) -> Tensor:
    check_floats(images)
    return images.to(precision_of(network))
