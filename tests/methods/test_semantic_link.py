# SPDX-License-Identifier: Apache-2.0
"""The link as a module: the values of the method, and gradients from Bob's picture to all that made it."""

import copy

import pytest
import torch

from semveil.channels import parse_link
from semveil.methods.dp_semcom import PRIVATE_CODES, DPSemCom
from semveil.methods.semantic_link import SemanticLink
from semveil.models.face import load_model
from semveil.privacy.guarantee import Basis
from semveil.protection.linear_pair import LinearPair
from semveil.training.protector import train_pair

CASES = [
    {"protection": "none"},
    {"protection": "rotation"},
    {"protection": "modulo", "private_codes": PRIVATE_CODES},
    {"protection": "laplace", "epsilon": 1e6},
    {"protection": "gaussian", "epsilon": 1e4},
]


@pytest.fixture(scope="module")
def model(tiny_model_folder):
    return load_model(str(tiny_model_folder))


def latents(model, count: int = 2, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return model.public_latents(count, rng=torch.Generator().manual_seed(0)).to(dtype) * 0.5


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("options", CASES, ids=lambda o: o["protection"])
def test_gradients_over_a_clean_channel_are_those_of_the_generator_alone(model, options):
    """What protects is undone, so Bob's picture depends on the latents as the generator has it."""
    link, codes = SemanticLink(DPSemCom(model, **options)), latents(model).requires_grad_()
    linked = link(codes, snr_db=200.0)
    (through,) = torch.autograd.grad(linked.codes.sum(), codes)
    torch.testing.assert_close(through, torch.ones_like(codes), atol=0.06, rtol=0)
    (pictured,) = torch.autograd.grad(link(codes, snr_db=200.0).images[:, :, 4:9].square().sum(), codes)
    if options["protection"] in ("none", "rotation", "modulo"):
        (plain,) = torch.autograd.grad(model.generator.synthesize(codes)[:, :, 4:9].square().sum(), codes)
        assert torch.nn.functional.cosine_similarity(pictured.flatten(), plain.flatten(), dim=0) > 0.95
    else:
        assert pictured.abs().sum() > 0


@pytest.mark.parametrize(
    "spec", ["awgn", "rayleigh:coherence=16,csi=mmse,pilots=8", "ofdm:subcarriers=16,taps=2,csi=perfect"]
)
def test_values_are_those_of_the_method(model, spec):
    channel, method = parse_link(spec), DPSemCom(model, protection="none")
    linked = SemanticLink(method, channel=channel)(latents(model), snr_db=10.0, rng=rng())
    result = method.transmit(
        torch.zeros(2, 3, 32, 32), snr_db=10.0, codes=latents(model), run=5, bob_channel=channel
    )
    assert torch.equal(linked.transmission.symbols, result.transmission.symbols)
    torch.testing.assert_close(linked.images, method.synthesize(linked.codes))
    assert not torch.equal(
        linked.codes, SemanticLink(method, channel=channel)(latents(model), snr_db=10.0, rng=rng(2)).codes
    )


def test_a_channel_by_its_description(model):
    method, pictures = DPSemCom(model, protection="none"), torch.zeros(2, 3, 32, 32)
    by_name, parsed = (
        method.transmit(pictures, codes=latents(model), run=5, bob_channel=channel, eve_channel=channel)
        for channel in ("rayleigh:coherence=16", parse_link("rayleigh:coherence=16"))
    )
    assert torch.equal(by_name.bob, parsed.bob) and torch.equal(by_name.eve, parsed.eve)


def test_a_keyed_or_exact_release_stays_one_and_a_seeded_one_is_a_simulation(model):
    link = SemanticLink(DPSemCom(model, protection="laplace", epsilon=100.0))
    codes = latents(model).requires_grad_()
    assert link(codes).transmission.guarantee.basis is Basis.PROVED
    assert link(codes, noise_rng=rng()).transmission.guarantee.basis is Basis.SIMULATION
    assert (
        SemanticLink(DPSemCom(model, protection="rotation"))(codes).transmission.guarantee.basis
        is Basis.COMPUTATIONAL
    )


def test_other_precisions(model):
    """Double precision throughout, and bfloat16 within the generator under autocast."""
    codes = latents(model, dtype=torch.float64).requires_grad_()
    double = SemanticLink(DPSemCom(model, protection="rotation"))
    double.generator = copy.deepcopy(model.generator).double()
    images = double(codes, snr_db=200.0).images
    images.square().sum().backward()
    assert images.dtype == codes.grad.dtype == torch.float64 and codes.grad.isfinite().all()
    single = latents(model).requires_grad_()
    pair = LinearPair(DPSemCom(model, protection="none").pair_settings(start="identity"))
    with torch.autocast("cpu", torch.bfloat16):
        linked = SemanticLink(DPSemCom(model, pair=pair))(single, snr_db=200.0)
    linked.images.float().square().sum().backward()
    assert linked.codes.dtype == torch.float32 and single.grad.isfinite().all()
    scale = images.detach().abs().max()
    assert (linked.images.float() - images).abs().max() < 0.05 * scale


def test_a_conversion_and_training_change_the_link_alone(model):
    """Models are kept for the process, so a link that shared its networks would change everybody's."""
    pair = LinearPair(DPSemCom(model, protection="none").pair_settings(start="identity"))
    method = DPSemCom(model, pair=pair)
    before = [weight.clone() for network in (model.generator, pair) for weight in network.parameters()]
    link = SemanticLink(method, channel="rayleigh:csi=perfect").double()
    link.generator.requires_grad_()  # frozen by default
    optimiser = torch.optim.SGD(link.parameters(), 0.1)
    link(latents(model, dtype=torch.float64), snr_db=20.0).images.square().mean().backward()
    assert any(weight.grad is not None for weight in link.generator.parameters())
    assert any(weight.grad is not None for weight in link.pair.parameters())
    optimiser.step()
    after = [weight for network in (model.generator, pair) for weight in network.parameters()]
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, after, strict=True))
    again = load_model(str(model.folder))
    assert again.dtype == torch.float32
    method.transmit(torch.zeros(2, 3, 32, 32), codes=latents(model))
    assert link.method.receive_codes(link.method.send_codes(latents(model).double())).dtype == torch.float64


def test_the_pair_learns_from_bobs_picture_over_fading(model):
    """End to end: the loss is in pixels, the networks at both ends of a Rayleigh channel get better."""
    settings = DPSemCom(model, protection="none").pair_settings()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pair = LinearPair(settings)
    channel = parse_link("rayleigh:coherence=32,csi=perfect")
    link = SemanticLink(DPSemCom(model, pair=pair), channel=channel)
    assert set(link.pair.parameters()) <= set(link.parameters())
    codes = latents(model, 8)
    target = model.generator.synthesize(codes).detach()
    optimiser, losses = torch.optim.Adam(link.pair.parameters(), 3e-3), []
    for step in range(25):
        loss = (link(codes, snr_db=20.0, rng=rng(step % 3)).images - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])


def test_pairs_train_over_any_channel_and_a_range_of_snrs(model):
    settings = DPSemCom(model, protection="none").pair_settings(
        start="identity", snr_db=0.0, snr_high_db=20.0
    )
    codes = model.box.clip(model.public_latents(64, rng=rng(0)))
    heard: list[torch.Tensor] = []

    def channel(symbols, snr_db, source):
        heard.append(torch.as_tensor(snr_db))
        return parse_link("rayleigh:csi=perfect")(symbols, snr_db, source)

    pair = train_pair(codes, settings, rng=rng(), epochs=2, batch=32, channel=channel)
    drawn = torch.cat(heard)
    assert drawn.numel() == 128 and 0 <= drawn.min() < 5 and 15 < drawn.max() <= 20
    assert not torch.equal(pair.protection.weight, torch.eye(len(pair.protection.weight)))


def test_a_link_that_is_made_in_inference_mode_trains_later(model):
    with torch.inference_mode():
        link = SemanticLink(DPSemCom(model, protection="rotation"))
    link.generator.requires_grad_(True)
    link(latents(model)).images.square().mean().backward()
    assert any(weight.grad is not None for weight in link.generator.parameters())


def test_a_link_under_a_key_has_a_moving_average(model):
    link = SemanticLink(DPSemCom(model, protection="rotation"))
    averaged = torch.optim.swa_utils.AveragedModel(link)
    link.generator.requires_grad_(True)
    torch.nn.init.zeros_(next(link.generator.parameters()))
    averaged.update_parameters(link)
    assert averaged(latents(model)).images.isfinite().all()
    assert averaged.module.generator is not link.generator
    assert averaged.module.method.model.generator is averaged.module.generator
