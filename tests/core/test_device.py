# SPDX-License-Identifier: Apache-2.0
"""Devices by name, networks that move, and the rule that no library code names the CPU without a reason."""

import ast
from pathlib import Path
from unittest import mock

import pytest
import torch
from pretend_device import pretended
from torch import nn

from semveil.core.device import (
    DeviceError,
    choose_device,
    device_of,
    devices,
    loading_onto,
    moved,
    precision_of,
)
from semveil.models.face import load_model

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "semveil"
# Why a module says "cpu" or "cuda"; all others ask `core.device`.
REASONS = {
    "cli/options.py": "what completion offers",
    "core/device.py": "the one place",
    "core/checkpoints.py": "files are read before anybody knows where networks go",
    "core/rng.py": "randomness: a seed means the same on every device",
    "mechanisms/base.py": "randomness: where draws are made without a generator",
    "mechanisms/additive/per_coordinate.py": "exactness: bounds and scales are doubles that every "
    "machine computes alike",
    "nn/winograd.py": "a way of computing that is faster on a CPU only",
}


def gpus(count: int) -> mock._patch_dict | mock._patch:  # type: ignore[name-defined]
    return mock.patch.multiple(torch.cuda, is_available=lambda: count > 0, device_count=lambda: count)


def test_the_best_device_is_taken() -> None:
    with gpus(0):
        assert (choose_device().type, devices()) == ("cpu", ("cpu",))
    with gpus(2):
        assert [str(choose_device(name)) for name in ("auto", "cuda", "cuda:1", "cpu")] == [
            "cuda:0",
            "cuda:0",
            "cuda:1",
            "cpu",
        ]
    assert choose_device(torch.device("cuda", 7)).index == 7  # torch's own are the caller's


@pytest.mark.parametrize(
    ("count", "name"), [(0, "cuda"), (0, "cuda:0"), (2, "cuda:2"), (2, "gpu"), (2, "cuda:x"), (2, "")]
)
def test_a_device_that_is_not_there_is_refused_with_those_that_are(count: int, name: str) -> None:
    with gpus(count), pytest.raises(DeviceError) as refused:
        choose_device(name)
    assert repr(name) in str(refused.value) and ", ".join(["cpu", "cuda:0", "cuda:1"][: 1 + count]) in str(
        refused.value
    )
    assert refused.value.exit_code == 2


def test_a_network_is_moved_as_a_copy() -> None:
    network = nn.Linear(2, 3)
    assert moved(network) is network and moved(network, "cpu", torch.float32) is network
    double = moved(network, dtype=torch.float64)
    assert (precision_of(double), precision_of(network)) == (torch.float64, torch.float32)
    with pytest.raises(ValueError, match="float16"):
        moved(network, dtype=torch.float16)
    with pretended() as there:
        assert (device_of(moved(network, there)), device_of(network).type) == (there, "cpu")


def test_models_that_are_loaded_within_lie_there_and_the_others_do_not(tiny_model_folder: Path) -> None:
    name = str(tiny_model_folder)
    before = load_model(name)
    with pretended() as there:
        with loading_onto(there):
            model = load_model(name)
            assert (model.device, model is load_model(name), model.digest) == (there, True, before.digest)
        assert load_model(name) is before and before.device.type == "cpu"
    with gpus(1), pytest.raises(DeviceError, match="cuda:3"), loading_onto("cuda:3"):
        pytest.fail("there is no such device")


def test_a_model_that_is_first_loaded_in_inference_mode_has_gradients_later(tiny_model_folder: Path) -> None:
    load_model.cache_clear()
    with torch.inference_mode():
        model = load_model(str(tiny_model_folder))
    codes = torch.zeros(1, *model.latent_shape, requires_grad=True)
    model.generator.synthesize(codes).sum().backward()
    assert codes.grad is not None
    load_model.cache_clear()


def test_a_network_that_is_moved_in_inference_mode_has_gradients_later() -> None:
    with torch.inference_mode():
        double = moved(nn.Linear(2, 3), dtype=torch.float64)
    double(torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)).sum().backward()
    assert not double.weight.is_inference()


def test_the_pretended_device_refuses_what_a_gpu_refuses() -> None:
    """The tests that use it would else prove nothing."""
    with pretended() as there:
        x = torch.zeros(2, 3, device=there)
        for wrong in (
            lambda: x + torch.ones(3),
            lambda: torch.where(torch.ones(2, 1) > 0, x, x),
            lambda: torch.randn(2, device=there, generator=torch.Generator()),
            lambda: torch.ones(3)[torch.zeros(1, device=there).long()],
            lambda: nn.Linear(3, 3)(x),
            lambda: torch.cat([x, torch.zeros(2, 3)]),
        ):
            with pytest.raises(RuntimeError):
                wrong()
        assert (x + torch.tensor(1.0)).cpu().tolist() == [[1.0] * 3] * 2 and x[
            torch.tensor([1])
        ].device == there


def named_devices(source: str) -> list[int]:
    """Lines that have a device's name as a text of its own."""
    found = ast.walk(ast.parse(source))
    return [
        node.lineno
        for node in found
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.partition(":")[0] in ("cpu", "cuda")
    ]


def test_no_module_names_a_device_without_a_reason() -> None:
    naming = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if named_devices(path.read_text("utf-8"))
    }
    assert naming == set(REASONS)


def test_that_check_sees_a_device() -> None:
    assert named_devices('torch.autocast("cpu")\n\nx.to("cuda:1")\nsay("cpu time")') == [1, 3]
