# SPDX-License-Identifier: Apache-2.0
"""The conversion generator against layers put together by hand and the public implementation's numbers; its
discriminator.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from reference.parity import Fixture
from torch import Tensor, nn

from semveil.core.checkpoints import BadCheckpoint
from semveil.generators import conversion
from semveil.generators.conversion import ConversionConfig, ConversionGenerator
from semveil.generators.noise_discriminator import NoiseDiscriminator

LIMIT = 5e-5  # stated with the stored outputs
GOLDEN = Path(__file__).parent / "golden" / "ykn_generator.npz"


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(*shape: int) -> Tensor:
    return torch.rand(shape, generator=rng(4)) * 2 - 1


@pytest.fixture(scope="module")
def fixture() -> Fixture:
    return Fixture(GOLDEN)


def errors(network: ConversionGenerator, fixture: Fixture) -> dict[str, float]:
    given = fixture.inputs["img"]
    with torch.inference_mode():
        outputs = {"image": network(given), "residual": network.change(given)}
    assert outputs.keys() == fixture.outputs.keys()
    return {name: fixture.error(name, output) for name, output in outputs.items()}


def test_released_generator(fixture: Fixture) -> None:
    assert fixture.worst_fill() < 1e-5
    before = torch.random.get_rng_state()
    network = ConversionGenerator.from_released(fixture.state)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not network.training and max(errors(network, fixture).values()) < LIMIT


def test_all_stored_samples(shared: Path) -> None:
    fixture = Fixture(shared / "parity" / "ykn_generator.npz")
    found = errors(ConversionGenerator.from_released(fixture.state), fixture)
    assert max(found.values()) < LIMIT, found


def pad_with_zeros(network: ConversionGenerator, patch: pytest.MonkeyPatch) -> None:
    patch.setitem(conversion._MODES, "reflect", "constant")


def unbiased_variance(network: ConversionGenerator, patch: pytest.MonkeyPatch) -> None:
    norm = lambda x: (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True) + 1e-5).sqrt()  # noqa: E731
    patch.setattr(F, "instance_norm", norm)


def shift_the_way_up(network: ConversionGenerator, patch: pytest.MonkeyPatch) -> None:
    for layer in network.up:
        layer.weight.data = layer.weight.flip(2, 3)


@pytest.mark.parametrize("mistake", [pad_with_zeros, unbiased_variance, shift_the_way_up])
def test_plausible_mistakes_fail_the_same_comparison(
    mistake: Callable[[ConversionGenerator, pytest.MonkeyPatch], None],
    fixture: Fixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = ConversionGenerator.from_released(fixture.state)
    mistake(network, monkeypatch)
    assert min(errors(network, fixture).values()) > 10 * LIMIT


def test_the_released_generator_shows_the_picture_through(fixture: Fixture) -> None:
    given = fixture.inputs["img"]
    network = ConversionGenerator.from_released(fixture.state)
    with torch.inference_mode():
        torch.testing.assert_close(network(given), (given + network.change(given)).tanh())
        own = ConversionGenerator(ConversionConfig(width=4, blocks=1), rng=rng())
        torch.testing.assert_close(own(given), own.change(given).tanh())


def by_table_1(width: int, blocks: int) -> tuple[nn.Sequential, list[nn.Sequential], nn.Sequential]:
    norm = lambda: nn.InstanceNorm2d(width)  # noqa: E731
    start = nn.Sequential(nn.Conv2d(3, width, 7, 1, 3), norm(), nn.ReLU())
    middle = [
        nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            norm(),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            norm(),
        )
        for _ in range(blocks)
    ]
    end = nn.Sequential(
        nn.ConvTranspose2d(width, width, 3, 1, 1), norm(), nn.ReLU(), nn.Conv2d(width, 3, 7, 1, 3), nn.Tanh()
    )
    return start, middle, end


@pytest.mark.parametrize("size", [(8, 8), (13, 31)])
def test_table_1(size: tuple[int, int]) -> None:
    network = ConversionGenerator(ConversionConfig(width=6), rng=rng())
    start, middle, end = by_table_1(6, 6)
    values = iter(network.state_dict().values())
    for part in (start, *middle, end):
        part.load_state_dict({key: next(values) for key in part.state_dict()})
    assert next(values, None) is None
    given = pictures(2, 3, *size)
    with torch.inference_mode():
        x = start(given)
        for block in middle:
            x = x + block(x)
        torch.testing.assert_close(network(given), end(x))


def test_the_numbers_of_table_1_are_those_of_other_layers() -> None:
    network = ConversionGenerator(rng=rng())
    count = lambda layer: sum(p.numel() for p in layer.parameters())  # noqa: E731
    # printed: 1792, 4352, 1792
    assert (count(network.first), count(network.up), count(network.last)) == (9472, 36_928, 9411)
    assert count(nn.Conv2d(3, 64, 3)) == 1792


def test_weights_keep_the_signal_and_come_from_the_generator_that_is_given() -> None:
    config = ConversionConfig(width=16, blocks=1, halvings=2)
    first, again, other = (ConversionGenerator(config, rng=rng(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.first.weight, other.first.weight)
    # 18,432 values: the standard deviation's error is 0.5 %
    assert first.up[0].weight.shape == (64, 32, 3, 3)
    assert first.up[0].weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.025)


def test_every_weight_is_trained() -> None:
    network = ConversionGenerator(
        ConversionConfig(width=4, blocks=2, halvings=1, skip=True, padding="reflect"), rng=rng()
    )
    network(pictures(2, 3, 16, 16)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert all(p.grad.abs().max() > 0 for name, p in network.named_parameters() if name.endswith("weight"))


def test_the_derivative_is_the_true_one() -> None:
    network = ConversionGenerator(ConversionConfig(width=3, blocks=1, halvings=1), rng=rng()).double()
    assert torch.autograd.gradcheck(network, pictures(1, 3, 4, 6).double().requires_grad_(), atol=1e-4)


@pytest.mark.parametrize("key", ["model.13.block.5.weight", "model.26.bias"])
def test_another_file_is_refused(key: str, fixture: Fixture) -> None:
    lacking = {k: v for k, v in fixture.state.items() if k != key}
    with pytest.raises(BadCheckpoint, match=r"missing (residual\.3\.second\.weight|last\.bias)"):
        ConversionGenerator.from_released(lacking)
    with pytest.raises(BadCheckpoint, match=r"unknown model\.27\.weight"):
        ConversionGenerator.from_released(fixture.state | {"model.27.weight": torch.zeros(1)})
    with pytest.raises(BadCheckpoint, match=r"is \(1,\), expected"):
        ConversionGenerator.from_released(fixture.state | {key: torch.zeros(1)})


def test_settings() -> None:
    for config in (ConversionConfig.published(), ConversionConfig.released()):
        assert ConversionConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config
    with pytest.raises(ValueError, match="unknown conversion settings: depth"):
        ConversionConfig.from_dict({"depth": 1})
    with pytest.raises(ValueError, match="padding must be one of zeros, reflect, got 'wrap'"):
        ConversionConfig(padding="wrap")
    with pytest.raises(ValueError, match="width must be at least 1"):
        ConversionConfig(width=0)


@pytest.mark.parametrize("shape", [(1, 3, 30, 32), (1, 3, 4, 4), (1, 1, 32, 32), (3, 32, 32)])
def test_unfit_images_are_refused(shape: tuple[int, ...]) -> None:
    network = ConversionGenerator(ConversionConfig(width=4, blocks=1, halvings=2), rng=rng())
    with pytest.raises(ValueError, match="multiples of 4 and at least 8 px"):
        network(torch.zeros(shape))


def by_hand(network: NoiseDiscriminator, given: Tensor, *, normalise: bool = False) -> Tensor:
    x = given
    for i, layer in enumerate(network.convolutions):
        x = F.conv2d(x, layer.weight, layer.bias, stride=2 if i else 1, padding=1)
        x = F.instance_norm(x) if normalise and i else x
        x = torch.where(x > 0, x, 0.2 * x)
    return F.conv2d(x, network.score.weight, network.score.bias, padding=1)


def test_the_discriminator_is_a_stack_of_layers() -> None:
    network, given = NoiseDiscriminator(width=4, halvings=3, rng=rng()), pictures(2, 3, 32, 40)
    with torch.inference_mode():
        torch.testing.assert_close(network(given), by_hand(network, given))
        assert network(given).shape == (2, 1, 4, 5)
    widths = [layer.out_channels for layer in NoiseDiscriminator(width=4, halvings=5, rng=rng()).convolutions]
    assert widths == [4, 8, 16, 32, 32, 32]


def test_the_discriminator_hears_the_strength_of_the_noise() -> None:
    """How far the scores spread at a tenth and at three times the range, and that instance norm would make it
    the same.
    """
    network = NoiseDiscriminator(width=8, rng=rng(1))
    noise = torch.randn(16, 3, 32, 32, generator=rng(2))
    weak, strong = (noise * 0.1).clamp(-1, 1), (noise * 3).clamp(-1, 1)
    with torch.inference_mode():
        assert network(strong).std() / network(weak).std() > 5  # rms of the noise itself: 0.87 against 0.1
        blind = by_hand(network, strong, normalise=True).std() / by_hand(network, weak, normalise=True).std()
        assert blind.item() == pytest.approx(1, rel=0.2)


def test_least_squares_training_reaches_every_weight() -> None:
    network = NoiseDiscriminator(width=4, rng=rng())
    (network(pictures(2, 3, 32, 32)) - 1).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_unfit_discriminators_and_images_are_refused() -> None:
    with pytest.raises(ValueError, match="halvings at least 0, got 4 and -1"):
        NoiseDiscriminator(width=4, halvings=-1)
    with pytest.raises(ValueError, match=r"at least 16 px a side, got \(15, 32\)"):
        NoiseDiscriminator(width=4, halvings=3, rng=rng())(torch.zeros(1, 3, 15, 32))
