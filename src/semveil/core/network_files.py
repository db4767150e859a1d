# SPDX-License-Identifier: Apache-2.0
"""Half-precision weight files of networks."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save
from torch import Tensor, nn

from semveil.core.checkpoints import BadCheckpoint, read_checkpoint
from semveil.core.files import write_whole


def write_network(path: Path, network: nn.Module, metadata: Mapping[str, str] | None = None) -> None:
    """Write a network's weights as safetensors in half precision; integers are unchanged.

    Args:
        path: of the file; replaced if it exists.
        network: the network.
        metadata: metadata to store in the file.

    Raises:
        OutputError: the path cannot be written.
    """
    state = {
        k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in network.state_dict().items()
    }
    write_whole(path, save(state, metadata=dict(metadata or {})))


def read_network(path: Path) -> dict[str, Tensor]:
    """Read the weights written by `write_network`, in single precision.

    Args:
        path: of the file.

    Raises:
        BadCheckpoint: the file is missing, damaged, or holds values other than tensors.
    """
    state = read_checkpoint(path)
    if foreign := [key for key, value in state.items() if not isinstance(value, Tensor)]:
        raise BadCheckpoint(f"{path.name} holds other things than weights: {foreign[0]}")
    return {k: v.float() if v.is_floating_point() else v for k, v in state.items()}
