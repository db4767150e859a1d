# SPDX-License-Identifier: Apache-2.0
"""ArcFace IR-SE50, the recogniser of the papers' identity metrics."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly, read_checkpoint
from semveil.nn.irse import irse50_body, irse50_input

CROP = 112


class ArcFaceIRSE50(nn.Module):
    """ArcFace with the IR-SE50 network (Deng et al., CVPR 2019), in evaluation mode with frozen weights.

    Example:
        >>> recogniser = ArcFaceIRSE50.from_official("model_ir_se50.pth")  # doctest: +SKIP
        >>> recogniser.embed(crops).shape  # doctest: +SKIP
        torch.Size([8, 512])
    """

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = irse50_input()
        self.body = irse50_body()
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(512),
            nn.Dropout(0.6),
            nn.Flatten(),
            nn.Linear(512 * (CROP // 16) ** 2, 512),
            nn.BatchNorm1d(512),
        )
        self.eval().requires_grad_(False)

    @classmethod
    def from_official(cls, source: str | Path | Mapping[str, Any]) -> "ArcFaceIRSE50":
        """Load `model_ir_se50.pth`.

        Args:
            source: the file, or a state dict with its 397 keys.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or holds other weights.
        """
        state = source if isinstance(source, Mapping) else read_checkpoint(source)
        network = cls()
        load_strictly(
            network, state, name="the ArcFace file" if isinstance(source, Mapping) else Path(source).name
        )
        return network

    def embed(self, crops: Tensor) -> Tensor:
        """Compute identity vectors of unit length.

        Args:
            crops: (B, 3, 112, 112) in [-1, 1], RGB, aligned to ArcFace's template
                (`recognition.crop.ARCFACE_CROP`).

        Returns:
            (B, 512); the inner product of two is their cosine similarity. Differentiable in the crops.
        """
        features = self(crops)
        return features / features.norm(dim=1, keepdim=True)

    def forward(self, crops: Tensor) -> Tensor:
        """Compute identity vectors (B, 512), not normalised to unit length.

        Args:
            crops: (B, 3, 112, 112) RGB in [-1, 1], aligned to ArcFace's five landmarks.

        Raises:
            ValueError: the crops have another shape.
        """
        if crops.shape[1:] != (3, CROP, CROP):
            raise ValueError(f"ArcFace wants crops (B, 3, {CROP}, {CROP}), got {tuple(crops.shape)}")
        return self.output_layer(self.body(self.input_layer(crops)))
