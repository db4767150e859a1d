# SPDX-License-Identifier: Apache-2.0
"""One photo has the same codes for library, command line, `protect` and experiments, whatever weights lie on
the machine.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from cli.conftest import Outcome
from cli.tiny import make_model
from PIL import Image
from skimage import data
from torch import Tensor

from semveil.core.progress import quiet
from semveil.data.faces import load_aligned_faces
from semveil.data.latents import LatentSet
from semveil.experiments.dp_semcom.setup import PRESETS, prepare_run
from semveil.experiments.kit.experiment import Run as ExperimentRun
from semveil.experiments.kit.photo_sets import astronaut
from semveil.faces.pixels import to_tensor
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom
from semveil.models.face import load_model
from semveil.nn.trunks import TRUNKS, Convolution
from semveil.privacy.certificate import Certificate

Run = Callable[..., Outcome]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_model(tmp_path_factory.mktemp("models") / "one", seed=5))


@pytest.fixture(scope="module")
def portrait(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photo that the experiments take when they are given none."""
    path = tmp_path_factory.mktemp("photos") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Go to an empty SEMVEIL_HOME, or to one in which files of LPIPS's names lie, with drawn numbers."""

    def go(lpips: bool) -> None:
        home = tmp_path / f"home-{lpips}"
        home.mkdir()
        monkeypatch.setenv("SEMVEIL_HOME", str(home))
        if lpips:
            rng, trunk, state, index, width = torch.Generator().manual_seed(1), TRUNKS["alex"], {}, 0, 3
            for layer in trunk.layers:
                if isinstance(layer, Convolution):
                    k, channels = layer.kernel, layer.channels
                    weight = torch.randn(channels, width, k, k, generator=rng) / (width * k**2) ** 0.5
                    state |= {
                        f"features.{index}.weight": weight,
                        f"features.{index}.bias": torch.zeros(channels),
                    }
                    width = channels
                index += layer.places if layer else 1
            torch.save(state, home / "alexnet-owt-7be5be79.pth")
            heads = {
                f"lin{i}.model.1.weight": torch.ones(1, width, 1, 1) for i, width in enumerate(trunk.channels)
            }
            torch.save(heads, home / "lpips_v0.1_alex.pth")

    return go


def of_the_library(portrait: Path, model: str, perceptual: str | None) -> Tensor:
    method = DPSemCom(model, protection="none", perceptual=perceptual)
    (face,) = load_aligned_faces(portrait, size=method.model.size)
    return method.invert(to_tensor([face.aligned.pixels])).codes


def of_an_experiment(model: str, perceptual: str | None) -> Tensor:
    one = replace(PRESETS["smoke"], photos=1, epsilons=(), perceptual=perceptual)
    setup = prepare_run("curves", ExperimentRun("fig3", one, Path(), None, model, None, quiet))
    assert (setup.photos.images == to_tensor([astronaut(setup.model.size)])).all()
    assert setup.config["inversion"]["perceptual_term"] == ("lpips-alex" if perceptual else "none")
    return setup.codes


def all_paths(
    semveil: Run,
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    portrait: Path,
    model: str,
    perceptual: str | None,
) -> dict[str, Tensor]:
    """The clipped codes of the portrait on every path, by name; what is recorded must be what was done."""
    said, term = (
        ([] if perceptual is None else ["--perceptual", perceptual]),
        "lpips-alex" if perceptual else "none",
    )
    folder.mkdir()
    assert (
        semveil("invert", portrait, "--model", model, "--out", folder / "latents.safetensors", *said).code
        == 0
    )
    sending = ("--protection", "none", "--model", model, "--out", folder / "m.svl")
    assert semveil("send", portrait, *sending, *said).code == 0
    certificates = [folder / "m.svl.certificate.json"]
    released: list[Tensor] = []
    protect = DPImage.protect_latents

    def seen(self: DPImage, latents: Tensor, *, rng: torch.Generator | None = None):  # type: ignore[no-untyped-def]
        released.append(latents)
        return protect(self, latents, rng=rng)

    monkeypatch.setattr(DPImage, "protect_latents", seen)
    options = ("--method", "dp-image", "--model", model, "--out", folder / "protected")
    assert semveil("protect", portrait, *options, *said).code == 0
    monkeypatch.setattr(DPImage, "protect_latents", protect)
    certificates += (folder / "protected").glob("*.certificate.json")
    assert len(certificates) == 2
    assert {Certificate.from_json(path.read_text()).perceptual for path in certificates} == {term}
    from semveil.channels import read_message
    from semveil.methods.messages import heard, method_for_eve

    loaded, message = load_model(model), read_message(folder / "m.svl")
    eve = method_for_eve(message, loaded)
    found = {
        "library": of_the_library(portrait, model, perceptual),
        "invert": LatentSet.load(folder / "latents.safetensors").codes,
        "send": eve.heard_codes(heard(message, snr_db=300.0)),
        "protect": released[0],
        "experiment": of_an_experiment(model, perceptual),
    }
    return {path: loaded.box.clip(codes) for path, codes in found.items()}


def differing(codes: dict[str, Tensor]) -> list[str]:
    """Paths whose codes are not the library's:
    a message holds them as float32 symbols, hence the tolerance.
    """
    return [
        path
        for path, found in codes.items()
        if not torch.allclose(found, codes["library"], rtol=0, atol=1e-4)
    ]


def test_a_photo_has_the_same_codes_on_every_path_and_every_machine(
    semveil: Run,
    machine: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    portrait: Path,
    model: str,
) -> None:
    machine(False)
    without = all_paths(semveil, monkeypatch, tmp_path / "without", portrait, model, None)
    machine(True)
    with_weights = all_paths(semveil, monkeypatch, tmp_path / "with", portrait, model, None)
    assert differing(without) == differing(with_weights) == []
    for path in ("library", "invert", "protect", "experiment"):
        assert torch.equal(without[path], with_weights["library"])
    asked = all_paths(semveil, monkeypatch, tmp_path / "asked", portrait, model, "lpips")
    assert differing(asked) == []
    # The check sees a path of its own: with LPIPS in one path alone, as it once was, it fails there.
    assert differing({**with_weights, "send": asked["send"]}) == ["send"]


def test_a_term_without_its_weights_is_an_error_and_never_another_term(
    semveil: Run, failed: Callable[[Outcome, int, str], None], machine: Callable[[bool], None],
    portrait: Path, model: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    machine(False)
    out = tmp_path / "latents.safetensors"
    failed(
        semveil("invert", portrait, "--model", model, "--out", out, "--perceptual", "lpips"),
        1,
        "semveil models get lpips",
    )
    failed(
        semveil("invert", portrait, "--model", model, "--out", out, "--perceptual", "lpip"),
        2,
        "did you mean 'lpips'",
    )
    assert not out.exists()


def test_latents_of_two_terms_do_not_mix(
    semveil: Run, failed: Callable[[Outcome, int, str], None], machine: Callable[[bool], None],
    portrait: Path, model: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    machine(True)
    command = ("invert", portrait, "--model", model, "--out", tmp_path / "latents.safetensors")
    assert semveil(*command).code == 0
    assert semveil(*command).code == 0
    failed(
        semveil(*command, "--perceptual", "lpips"), 2, "inverted with perceptual term none, not lpips-alex"
    )
