# SPDX-License-Identifier: Apache-2.0
"""Latent models: the bundled one, one without stored bounds,
and StyleGAN2 with pSp by their official files.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from semveil.core.checkpoints import BadCheckpoint
from semveil.core.weights import WeightsMissing
from semveil.encoders import invert
from semveil.encoders.gradual_style import GradualStyleEncoder
from semveil.encoders.semantic import SemanticEncoder, SemanticEncoderConfig
from semveil.generators.stylegan2 import StyleGAN2, StyleGAN2Config
from semveil.methods import latent_model
from semveil.methods.dp_image import DPImage
from semveil.methods.dp_semcom import DPSemCom
from semveil.methods.latent_dp import LatentDP
from semveil.methods.latent_model import LatentModel, from_face_model, load_latent_model, part_groups
from semveil.models.face import load_model
from semveil.models.folder import save_model
from semveil.models.prior import LatentPrior
from semveil.models.quantile_bounds import PAPER_LATENTS
from semveil.privacy.explain import explain


def test_the_bundled_model_is_the_default() -> None:
    model = load_latent_model()
    assert (model.name, model.size, model.latent_shape) == ("faces-128", 128, (28, 64))
    assert model.digest == load_model().digest
    assert "training photos" in model.quantiles(25).source


@pytest.mark.parametrize("make", [LatentModel.example, load_latent_model])
def test_groups_hold_every_code_once(make) -> None:  # type: ignore[no-untyped-def]
    model = make()
    assert sorted(code for codes in model.groups.values() for code in codes) == list(
        range(model.latent_shape[0])
    )
    assert set(model.identity_codes) < set(range(model.latent_shape[0]))


def test_a_model_without_stored_bounds_takes_synthetic_latents(tiny_model_folder: Path) -> None:
    model = from_face_model(load_model(str(tiny_model_folder)))
    box = model.quantiles(10)
    assert f"{PAPER_LATENTS} synthetic latents" in box.source
    inside = (box.clip(model.public_latents(400, torch.Generator().manual_seed(9))) != 0).float().mean()
    assert inside > 0
    with pytest.raises(ValueError, match="semveil train quantiles"):
        model.bounds().observed_sensitivity("all", 8)


def test_encoding_and_synthesis_go_together(tiny_model_folder: Path) -> None:
    model = from_face_model(load_model(str(tiny_model_folder)))
    latents = model.encode(torch.zeros(2, 3, 32, 32))
    assert latents.shape == (2, 28, 8)
    images = model.synthesize(latents)
    assert images.shape == (2, 3, 32, 32) and not images.is_inference()


def test_encoding_uses_the_photo_alone(tiny_model_folder: Path) -> None:
    model = from_face_model(load_model(str(tiny_model_folder)))
    photos = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    together = model.encode(photos)
    assert torch.equal(torch.cat([model.encode(photo[None]) for photo in photos]), together)


def test_official_weights_are_asked_for_where_they_are_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEMVEIL_HOME", str(tmp_path))
    with pytest.raises(WeightsMissing, match="psp"):
        load_latent_model("stylegan2-ffhq")


def test_stylegan2_with_its_encoder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The official files are gigabytes: a small generator and an encoder that always says the same stand in
    for them.
    """
    file = tmp_path / "psp_ffhq_encode.pt"
    file.write_bytes(b"weights")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = StyleGAN2(StyleGAN2Config(size=16, style_dim=8, mapping_layers=2, channel_cap=8))
    monkeypatch.setattr(latent_model, "require", lambda name: file)
    monkeypatch.setattr(latent_model, "find", lambda name: None)
    monkeypatch.setattr(StyleGAN2, "from_official", lambda path: generator)
    monkeypatch.setattr(
        GradualStyleEncoder, "from_official", lambda path: lambda images: torch.ones(len(images), 6, 8)
    )
    model = latent_model._stylegan2.__wrapped__()
    assert (model.size, model.latent_shape) == (16, (6, 8))
    assert model.groups == {"coarse": (0, 1, 2), "medium": (3, 4, 5)}
    assert model.encode(torch.zeros(2, 3, 16, 16)).shape == (2, 6, 8)
    assert model.synthesize(torch.zeros(2, 6, 8)).shape == (2, 3, 16, 16)
    assert f"{PAPER_LATENTS} synthetic latents" in model.quantiles(10).source
    method = LatentDP(model, epsilon=1.0, clip=10.0)
    assert method.protect(torch.zeros(1, 3, 16, 16)).guarantee.epsilon == pytest.approx(1.0)
    assert DPImage(model, scale=1.0).guarantee().epsilon == pytest.approx(6 * 8 * 40)
    for used in (method, DPImage(model, styles="identity")):  # codes of scales have no names of parts
        assert not any(
            "Private codes" in line
            for line in explain(used.certificate(used.protect(torch.zeros(1, 3, 16, 16))))
        )


def test_a_trained_stylegan2_is_a_latent_model(tmp_path: Path) -> None:
    """What `semveil train stylegan2` writes, with random weights: encoder, inversion, prior, and codes by
    scale.
    """
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = StyleGAN2(StyleGAN2Config(size=32, style_dim=8, mapping_layers=2, channel_cap=8))
        encoder = SemanticEncoder(SemanticEncoderConfig(size=32, codes=8, style_dim=8, widths=(4, 4, 4, 4)))
    prior = LatentPrior.fit(torch.randn(32, 8, 8, generator=torch.Generator().manual_seed(1)), rank=4)
    card = {
        "clip_box": {"lower": -2.0, "upper": 2.0, "source": "test"},
        "inversion": {"steps": 2},
        "perceptual_network": "alex",
    }
    save_model(tmp_path / "mine", generator, encoder, prior, card)
    assert load_model(str(tmp_path / "mine")).semantic is False
    model = load_latent_model(str(tmp_path / "mine"))
    assert (model.name, model.latent_shape, model.identity_codes) == ("mine", (8, 8), (0, 1, 2, 3, 4, 5, 6))
    assert model.groups == {"coarse": (0, 1, 2), "medium": (3, 4, 5, 6), "fine": (7,)} and not model.semantic
    assert load_latent_model().semantic
    latents = model.encode(torch.zeros(2, 3, 32, 32))
    assert latents.shape == (2, 8, 8) and torch.equal(model.synthesize(latents), model.synthesize(latents))
    assert model.public_latents(3, torch.Generator().manual_seed(0)).shape == (3, 8, 8)
    with pytest.raises(ValueError, match="dp-semcom needs a model whose codes belong to face parts"):
        DPSemCom(load_model(str(tmp_path / "mine")), protection="none")
    text = (tmp_path / "mine" / "model.json").read_text()
    (tmp_path / "mine" / "model.json").write_text(text.replace('"stylegan2"', '"stylegan9"'))
    load_model.cache_clear()
    with pytest.raises(BadCheckpoint, match="no architecture named 'stylegan9'"):
        load_model(str(tmp_path / "mine"))


def test_parts_of_a_semantic_model() -> None:
    groups = part_groups()
    assert groups["shared"] == (0, 1) and groups["hair"] == (16, 17)


def test_a_photo_is_inverted_alike_alone_and_among_others() -> None:
    """On the bundled model, where sums of another shape round otherwise and a batch of two ends elsewhere
    than two of one.
    """
    model = load_model()
    photos = model.generator.synthesize(model.public_latents(2, rng=torch.Generator().manual_seed(0))).clamp(
        -1, 1
    )
    short = replace(model.inversion, steps=12)
    together = model.invert(photos, settings=short).codes
    assert torch.equal(model.invert(photos[1:], settings=short).codes, together[1:])
    batched = invert(photos, model.generator, start=model.start_codes(photos), settings=short).codes
    assert not torch.equal(batched, together)


@pytest.mark.parametrize("options", [{}, {"subspace": 4}], ids=["all", "subspace"])
@pytest.mark.parametrize("method", [DPImage, LatentDP])
@pytest.mark.parametrize(
    "latents", [torch.zeros(3, 4), torch.zeros(1, 2, 4), torch.zeros(0, 3, 4), torch.zeros(1, 3, 4).int()]
)
def test_latents_that_do_not_fit_are_refused(method, options, latents) -> None:
    made = method(LatentModel.example(), epsilon=1.0, **options)
    with pytest.raises(ValueError, match=r"are floats \(B, 3, 4\), one or more, got torch\."):
        made.protect_latents(latents)
