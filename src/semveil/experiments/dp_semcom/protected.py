"""The method of an experiment, with its trained pair."""

from semveil.core.progress import Progress, quiet
from semveil.core.rng import streams
from semveil.methods.dp_semcom import DPSemCom, pair_settings
from semveil.methods.face_model import FaceModel
from semveil.training.protector import find_or_train_pair

TRAINING_SEED = 0


def protected_method(
    model: FaceModel, epsilon: float, *, noise: str = "frozen", start: str = "default", progress: Progress = quiet
) -> DPSemCom:
    """dp-semcom with the paper's pair for a nominal epsilon: bundled, cached, or trained now from a fixed seed.

    Args:
        model: the face model.
        epsilon: nominal privacy budget, calibrated `as_published`.
        noise: how training draws its target noise, `frozen` or `fresh`.
        start: of the networks, `default` or `identity`.
        progress: epochs of a training.
    """
    settings = pair_settings(model, epsilon=epsilon, noise=noise, start=start)
    stage = f"train the pair for nominal epsilon {epsilon:g} ({noise} noise, {start} start)"
    pair = find_or_train_pair(
        model,
        settings,
        rng=streams(TRAINING_SEED)["train"],
        progress=lambda epoch, epochs, loss: progress(stage, epoch, epochs),
    )
    return DPSemCom(model, epsilon=epsilon, pair=pair)
