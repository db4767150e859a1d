# SPDX-License-Identifier: Apache-2.0
"""Linear gradients through exact computations outside torch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def linear_pass(argument: Tensor, value: Tensor, transpose: Callable[[Tensor], Tensor]) -> Tensor:
    """Return `value` as a function of `argument` whose derivative is a given linear map.

    Args:
        argument: argument of the function, which was evaluated outside the graph.
        value: value of the function.
        transpose: transpose of the derivative: gradient by the value -> gradient by the argument.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> linear_pass(x, torch.tensor([3.0, 3.0]), lambda gradient: 3 * gradient).sum().backward()
        >>> x.grad
        tensor([3., 3.])
    """
    if not (torch.is_grad_enabled() and argument.requires_grad):
        return value
    passed: Tensor = _LinearPass.apply(argument, value, transpose)
    return passed


class _LinearPass(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, argument: Tensor, value: Tensor, transpose: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.transpose, ctx.like = transpose, (argument.dtype, argument.device)
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        dtype, device = ctx.like
        return ctx.transpose(gradients[0]).to(dtype=dtype, device=device), None, None
