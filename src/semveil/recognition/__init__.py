# SPDX-License-Identifier: Apache-2.0
"""Face recognition: recognisers, verifiers with their thresholds, detection, face parts."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from semveil.core.deprecation import renamed

if TYPE_CHECKING:
    from semveil.recognition.arcface import ArcFaceIRSE50
    from semveil.recognition.calibration import MeasuredThreshold, calibrate, pair_accuracy, true_acceptance
    from semveil.recognition.facenet import FaceNet
    from semveil.recognition.guided_backpropagation import Explanation, guided_explanation
    from semveil.recognition.identity_encoder import (
        IdentityEncoder,
        IdentityEncoderConfig,
        load_identity_encoder,
    )
    from semveil.recognition.iresnet import IResNet50
    from semveil.recognition.thresholds import measured_threshold
    from semveil.recognition.verifier import (
        ArcFaceVerifier,
        BundledVerifier,
        DlibVerifier,
        FaceNetVerifier,
        OnnxVerifier,
        Verifier,
    )
    from semveil.recognition.vgg16 import ImageFeatures
    from semveil.recognition.vgg16_classifier import VGG16Classifier
    from semveil.recognition.vgg16_config import VGG16Config

__all__ = [
    "ArcFaceIRSE50",
    "ArcFaceVerifier",
    "BundledVerifier",
    "DlibVerifier",
    "Explanation",
    "FaceNet",
    "FaceNetVerifier",
    "IResNet50",
    "IdentityEncoder",
    "IdentityEncoderConfig",
    "ImageFeatures",
    "MeasuredThreshold",
    "OnnxVerifier",
    "VGG16Classifier",
    "VGG16Config",
    "Verifier",
    "calibrate",
    "guided_explanation",
    "load_identity_encoder",
    "measured_threshold",
    "pair_accuracy",
    "true_acceptance",
]

# dlib and scikit-image take half a second to load, so each name is imported on first access.
_HOMES = {
    "ArcFaceIRSE50": "arcface",
    "ArcFaceVerifier": "verifier",
    "BundledVerifier": "verifier",
    "MeasuredThreshold": "calibration",
    "DlibVerifier": "verifier",
    "Explanation": "guided_backpropagation",
    "FaceNet": "facenet",
    "FaceNetVerifier": "verifier",
    "IResNet50": "iresnet",
    "IdentityEncoder": "identity_encoder",
    "IdentityEncoderConfig": "identity_encoder",
    "ImageFeatures": "vgg16",
    "OnnxVerifier": "verifier",
    "VGG16Classifier": "vgg16_classifier",
    "VGG16Config": "vgg16_config",
    "Verifier": "verifier",
    "calibrate": "calibration",
    "guided_explanation": "guided_backpropagation",
    "load_identity_encoder": "identity_encoder",
    "measured_threshold": "thresholds",
    "pair_accuracy": "calibration",
    "true_acceptance": "calibration",
}

_renamed = renamed(__name__, {"Calibration": "MeasuredThreshold"}, stacklevel=3)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        return _renamed(name)
    return getattr(import_module(f"semveil.recognition.{_HOMES[name]}"), name)
