# SPDX-License-Identifier: Apache-2.0
"""Latents as bytes: the length asked for, the step that fits, the law that scipy has, whatever the latents
are.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from semveil.channels import MessageError
from semveil.channels.range_coder import TOTAL
from semveil.methods.latent_codec import COARSEST, LatentCodec, _levels, _table
from semveil.models.face import FaceModel, load_model


@pytest.fixture(scope="module")
def model() -> FaceModel:
    return load_model()


def sample(model: FaceModel, count: int = 4) -> torch.Tensor:
    return model.public_latents(count, rng=torch.Generator().manual_seed(0))


def test_each_byte_brings_the_latents_nearer(model: FaceModel) -> None:
    codec, errors = LatentCodec(model), []
    for size in (64, 200, 500, 1000, 2500):
        coded = [codec.encode(one, size) for one in sample(model)]
        assert {len(data) for data in coded} == {size}
        read = torch.stack([codec.decode(data) for data in coded])
        errors.append(float((read - sample(model)).square().mean()))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-5 * errors[0]


@pytest.mark.parametrize("size", [300, 1000])
def test_the_error_is_within_half_a_step(model: FaceModel, size: int) -> None:
    codec, codes = LatentCodec(model), sample(model)[0]
    data = codec.encode(codes, size)
    step = 2.0 ** (-(data[0] + COARSEST) / 8)
    error = (codec.decode(data) - codes).abs()
    assert float(error.max()) <= step / 2 + 1e-5
    if size == 1000:  # fine steps: the error is uniform, its variance step^2 / 12
        expected = step**2 / 12
        spread = expected * (4 / 5 / codes.numel()) ** 0.5
        assert abs(float(error.square().mean()) - expected) < 5 * spread


def test_the_rate_is_near_the_entropy_of_the_prior(model: FaceModel) -> None:
    """Against the quantised law's differential entropy; a codec without the prior's scales would need .3 bits
    more.
    """
    codec, codes = LatentCodec(model), sample(model, 1)[0]
    data = codec.encode(codes, 1000)
    step = 2.0 ** (-(data[0] + COARSEST) / 8)
    prior = model.prior
    assert prior is not None
    deviation = (
        (prior.factors.double().square().sum(0) + prior.residual.double().square()).sqrt().flatten().numpy()
    )
    # bits per number
    normal = float(np.mean(stats.norm(scale=deviation).entropy())) / np.log(2) - np.log2(step)
    used = 8 * len(data.rstrip(b"\0")) / codes.numel()
    # a photo is nearer or farther than the average; the law is logistic
    assert normal - 0.25 < used < normal + 0.1
    flat = np.log2(deviation.mean() / deviation).std()
    assert flat > 0.1  # coordinates do differ


@pytest.mark.parametrize("level", [-20, 0, 17, 40])
def test_tables_follow_the_logistic_law(level: int) -> None:
    table, reach = _table(level)
    law = stats.logistic(scale=2 ** (level / 8) * np.sqrt(3) / np.pi)
    edges = np.arange(-reach, reach + 2) - 0.5
    counts = np.diff(table.starts)
    assert len(counts) == 2 * reach + 2
    expected = np.diff(law.cdf(edges)) * (TOTAL - len(counts)) + 1
    np.testing.assert_allclose(counts[:-1], expected, atol=2)


def test_levels_are_eighths_of_octaves() -> None:
    variances = np.array([[1.0, 4.0, 3.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    assert _levels(variances).tolist() == [0, 8, 8, -64]


def test_latents_far_from_the_prior_and_models_without_one(model: FaceModel) -> None:
    box = model.box
    for one in (model, replace(model, prior=None)):
        codec = LatentCodec(one)
        for codes in (torch.full((28, 64), 99.0), torch.full((28, 64), -99.0), torch.zeros(28, 64)):
            read = codec.decode(codec.encode(codes, 3000))
            assert float((read - box.clip(codes)).abs().max()) < 0.2


def test_numbers_beyond_the_table_are_spelt_out(model: FaceModel) -> None:
    assert model.prior is not None
    narrow = replace(
        model,
        prior=replace(model.prior, factors=0 * model.prior.factors, residual=0.01 * model.prior.residual),
    )
    codec, codes = LatentCodec(narrow), sample(model, 1)[0]
    assert float((codec.decode(codec.encode(codes, 9000)) - codes).abs().max()) < 0.02


def test_what_cannot_be_coded_is_refused(model: FaceModel) -> None:
    codec = LatentCodec(model)
    for codes, size in ((sample(model)[0], 15), (sample(model)[0][:5], 700)):
        with pytest.raises(ValueError, match="16 bytes or more"):
            codec.encode(codes, size)
    for data in (b"", b"\xff" + bytes(20)):
        with pytest.raises(MessageError, match="no latents"):
            codec.decode(data)
