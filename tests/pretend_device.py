# SPDX-License-Identifier: Apache-2.0
"""A device that is not there: its tensors are computed on the CPU, and refuse the company that a GPU's
refuse.

They say that they are on `meta`, the one kind of device that torch lets anybody imitate. Such a tensor meets
only its like, and CPU tensors where torch allows them beside a GPU's: numbers without a dimension, indices,
copies. So what runs here follows the model, with the CPU's numbers; how fast a GPU is, and how it rounds,
only a GPU can tell.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
_COPIES = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}
_INDEXED = {
    torch.ops.aten.index.Tensor,
    torch.ops.aten.index_put.default,
    torch.ops.aten.index_put_.default,
    torch.ops.aten._index_put_impl_.default,
}


class Pretended(torch.Tensor):
    """A tensor of that device; `held` has its numbers."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> "Pretended":
        made = torch.Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.size(), strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype,
            device=DEVICE,
        )  # fmt: skip
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, torch.Tensor)]
        assert all(isinstance(x, Pretended) or x.device != DEVICE for x in given), (
            f"{func} got a tensor without numbers"
        )
        if func not in _COPIES:
            allowed = [x for x in args[1] if x is not None] if func in _INDEXED else []
            strangers = [
                x
                for x in given
                if not isinstance(x, Pretended) and x.ndim and not any(x is i for i in allowed)
            ]
            if strangers or (func in _INDEXED and not isinstance(args[0], Pretended)):
                raise RuntimeError(
                    f"Expected all tensors to be on the same device, but {func} got tensors of two"
                )
        to = kwargs.get("device")
        leaves = to is not None and torch.device(to).type != DEVICE.type
        inside = tree_map(lambda x: x.held if isinstance(x, Pretended) else x, (args, kwargs))
        out = func(*inside[0], **{**inside[1], **({} if to is None else {"device": torch.device("cpu")})})
        if leaves or (func is torch.ops.aten.copy_.default and not isinstance(args[0], Pretended)):
            return args[0] if func is torch.ops.aten.copy_.default else out
        known = {id(x.held): x for x in given if isinstance(x, Pretended)}
        return tree_map(lambda x: known[id(x)] if id(x) in known else _on_it(x), out)

    def __getitem__(self, index: Any) -> Any:
        return super().__getitem__(_indices(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_indices(index), value)

    def tolist(self) -> Any:
        return self.held.tolist()

    def __repr__(self, **kwargs: Any) -> str:
        return f"Pretended({self.held!r})"


def _indices(index: Any) -> Any:
    """Lists as tensors: torch would make them on the device that is not there."""
    if isinstance(index, tuple):
        return tuple(map(_indices, index))
    return torch.tensor(index, dtype=None if index else torch.long) if isinstance(index, list) else index


def _on_it(value: Any) -> Any:
    return Pretended(value) if isinstance(value, torch.Tensor) else value


class _Made(TorchDispatchMode):
    """What is made on the device, or sent there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        to = kwargs.get("device")
        there = to is not None and torch.device(to).type == DEVICE.type
        if there and isinstance(kwargs.get("generator"), torch.Generator):
            raise RuntimeError("Expected a generator of the device, but found one of the CPU")
        if not there or any(isinstance(x, Pretended) for x in tree_flatten((args, kwargs))[0]):
            return func(*args, **kwargs)
        return _on_it(func(*args, **{**kwargs, "device": torch.device("cpu")}))


def _made_there(make: Any) -> Any:
    """`torch.tensor` and `torch.as_tensor`, which no dispatch sees."""

    def made(*args: Any, device: Any = None, **kwargs: Any) -> torch.Tensor:
        there = device is not None and torch.device(device).type == DEVICE.type
        return make(*args, **kwargs, device="cpu" if there else device).to(device if there else None)

    return made


@contextmanager
def pretended() -> Iterator[torch.device]:
    """Let there be the device; autocast does nothing, as there is none for it."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    # a module's weights cannot change their class in place
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with (
            mock.patch("torch.autocast", lambda *args, **kwargs: nullcontext()),
            mock.patch(
                "torch.inference_mode", lambda mode=True: torch.no_grad() if mode else nullcontext()
            ),  # inference tensors cannot be wrapped
            mock.patch("torch.tensor", _made_there(torch.tensor)),
            mock.patch("torch.as_tensor", _made_there(torch.as_tensor)),
            mock.patch(
                "torch.optim.optimizer._get_fused_kernels_supported_devices",
                lambda: ["cpu", "cuda", DEVICE.type],
            ),
            _Made(),
        ):
            yield DEVICE
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
