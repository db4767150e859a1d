"""The recogniser that a user names with `--verifier`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semveil.cli.options import OptionError

if TYPE_CHECKING:
    from semveil.recognition.verifier import Verifier

Name = Annotated[
    str,
    typer.Option(
        "--verifier", help="Recogniser that decides whether two faces are one person.", metavar="dlib|arcface|bundled|PATH.onnx"
    ),
]


def choose_verifier(name: str, *, resolution: int, threshold: float | None = None) -> "tuple[Verifier, dict[str, Any]]":
    """A verifier by name or ONNX file, with what a result says about it.

    Args:
        threshold: on an ONNX recogniser's cosine; the measured one where None.
    """
    from semveil.experiments.verifiers import VERIFIERS, load_verifier
    from semveil.recognition import OnnxVerifier, measured_threshold

    path = Path(name)
    if path.suffix.lower() != ".onnx":
        if name not in VERIFIERS and path.suffix:
            raise OptionError(f"no verifier {name!r}; allowed: {', '.join(VERIFIERS)}, or the path of an .onnx file")
        return load_verifier(name, resolution=resolution)
    origin = "given by the user"
    if threshold is None:
        try:
            threshold = measured_threshold(path.stem, resolution=resolution).threshold
        except ValueError:
            raise OptionError(
                f"no threshold is known for {path.name} at {resolution} px; give --threshold, "
                f"which you can measure: semveil calibrate --verifier {path} --pairs LFW --resolution {resolution}"
            ) from None
        origin = f"measured on LFW at {resolution} px, false acceptance rate 0.001"
    verifier = OnnxVerifier(path, threshold=threshold)
    return verifier, {"name": verifier.name, "threshold": threshold, "threshold_from": origin}
