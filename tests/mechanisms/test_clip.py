# SPDX-License-Identifier: Apache-2.0
"""The clip box: exact quantiles of any size, no value outside, sensitivities that opposite corners reach."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from semveil.mechanisms import ClipBox, streamed_quantiles
from semveil.privacy.guarantee import Basis


@given(
    arrays(np.float32, st.integers(1, 200), elements=st.floats(-(2.0**100), 2.0**100, width=32)),
    st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
@example(np.array([0.0, -3.0], np.float32), [0.9999999999999999])  # rounding differed by more than the value
def test_streamed_quantiles_are_numpys(values: np.ndarray, probabilities: list[float]) -> None:
    ours = streamed_quantiles(values, probabilities)
    assert ours == pytest.approx(
        np.quantile(values.astype(np.float64), probabilities).tolist(), rel=1e-9, abs=1e-30
    )


@pytest.mark.parametrize("spread", [1e-6, 1.0, 1e6])
def test_quantiles_over_several_chunks(spread: float) -> None:
    values = (np.random.default_rng(0).standard_normal((3000, 3100)) * spread).astype(np.float32)
    expected = np.quantile(values.astype(np.float64), [0.005, 0.5, 0.995])
    assert streamed_quantiles(values, [0.005, 0.5, 0.995]) == pytest.approx(expected.tolist(), rel=1e-9)


def test_more_entries_than_torch_takes_from_a_memory_map(tmp_path: Path) -> None:
    shape = (1300, 28 * 512)  # 18.6 million
    values = np.lib.format.open_memmap(tmp_path / "latents.npy", "w+", np.float32, shape)
    values[:] = np.random.default_rng(0).permutation(shape[0] * shape[1]).reshape(shape)
    with pytest.raises(RuntimeError, match="too large"):
        torch.quantile(torch.from_numpy(np.asarray(values)).flatten(), 0.5)
    box = ClipBox.from_quantiles(np.load(tmp_path / "latents.npy", mmap_mode="r"))
    last = np.float32(shape[0] * shape[1] - 1)
    assert box.lower == pytest.approx(0.005 * last, abs=2)
    assert box.upper == pytest.approx(0.995 * last, abs=2)
    assert "0.5 % and 99.5 % quantiles of 1300 public records" in box.source


def test_quantile_box_clips_one_percent() -> None:
    latents = torch.randn(1000, 28, 20, generator=torch.Generator().manual_seed(0))
    box = ClipBox.from_quantiles(latents)
    assert box.upper == pytest.approx(2.576, abs=0.05)
    assert float((box.clip(latents) != latents).float().mean()) == pytest.approx(0.01, abs=1e-4)


@given(
    lower=st.floats(-10, 10),
    width=st.floats(1e-4, 10),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
)
def test_nothing_lies_outside_the_box_after_rounding(lower: float, width: float, dtype: torch.dtype) -> None:
    if dtype in (torch.float16, torch.bfloat16):
        width += 0.5  # their steps are wider than a thin box
    box = ClipBox(lower, lower + width)
    clipped = box.clip(torch.tensor([[-1e4, 1e4, lower, lower + width]], dtype=dtype)).double()
    assert (clipped >= box.lower).all()
    assert (clipped <= box.upper).all()


def test_opposite_corners_reach_the_sensitivity() -> None:
    box = ClipBox(torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([1.0, 5.0, 2.0]))
    far = box.clip(torch.tensor([[-9.0, -9.0, -9.0], [9.0, 9.0, 9.0]], dtype=torch.float64))
    difference = far[1] - far[0]
    assert box.l1_sensitivity(3).value == float(difference.abs().sum()) == 7.0
    assert box.l2_sensitivity().value == pytest.approx(float(difference.norm()))
    assert box.coordinate_sensitivity().values.tolist() == [2.0, 5.0, 0.0]
    assert box.l1_sensitivity().basis is Basis.PROVED


def test_one_pair_of_bounds_serves_any_dimension() -> None:
    box = ClipBox(-1.0, 2.0, source="a paper")
    assert box.l1_sensitivity(9216).value == 3 * 9216
    assert box.l2_sensitivity(9216).value == pytest.approx(3 * 96)
    assert box.coordinate_sensitivity((7, 512)).values.shape == (7, 512)
    assert "a paper" in box.l1_sensitivity(2).source
    with pytest.raises(ValueError, match="say how many"):
        box.l1_sensitivity()


def test_published_dp_image_box() -> None:
    assert ClipBox(-20.0, 20.0).l1_sensitivity(9216).value == 368_640  # errata.md, dp-image 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_values_that_are_no_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="cannot clip 1 NaN or infinite entries of 6"):
        ClipBox(-1.0, 1.0).clip(torch.tensor([[0.0, bad, 0.0], [0.0, 0.0, 0.0]]))
    with pytest.raises(ValueError, match="NaN or infinite"):
        ClipBox.from_quantiles(torch.tensor([[0.0, bad]]))


@pytest.mark.parametrize(
    ("lower", "upper"), [(1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))]
)
def test_bounds_must_enclose_something(lower: float, upper: float) -> None:
    with pytest.raises(ValueError, match="finite with lower below upper"):
        ClipBox(lower, upper)


def test_shapes_must_agree() -> None:
    box = ClipBox(torch.zeros(3), torch.ones(3))
    with pytest.raises(ValueError, match="shape"):
        box.clip(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="3 coordinates"):
        box.l1_sensitivity(4)
    with pytest.raises(ValueError, match="different shapes"):
        ClipBox(torch.zeros(3), torch.ones(2))
