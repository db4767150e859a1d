"""Who is it, is it a face: recognisers, verifiers with their thresholds, detection, face parts."""

from semveil.recognition.arcface import ArcFaceIRSE50
from semveil.recognition.calibration import Calibration, calibrate, pair_accuracy, true_acceptance
from semveil.recognition.facenet import FaceNet
from semveil.recognition.guided_backpropagation import Explanation, guided_explanation
from semveil.recognition.identity_encoder import IdentityEncoder, IdentityEncoderConfig, load_identity_encoder
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
    "Calibration",
    "DlibVerifier",
    "Explanation",
    "FaceNet",
    "FaceNetVerifier",
    "IResNet50",
    "IdentityEncoder",
    "IdentityEncoderConfig",
    "ImageFeatures",
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
