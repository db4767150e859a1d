# SPDX-License-Identifier: Apache-2.0
"""ArcFace IResNet50, whose feature vector identity-dp perturbs (insightface's `iresnet50`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from semveil.core.checkpoints import load_strictly, read_checkpoint
from semveil.core.device import CPU

CROP = 112
FEATURES = 512
# (channels, blocks) of the four stages; the first block of each halves the resolution.
STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))


class IResNetBlock(nn.Module):
    """x -> shortcut(x) + BN(conv(PReLU(BN(conv(BN(x)))))), the improved residual unit of ArcFace, 3.1.

    Args:
        width: input channels.
        channels: output channels.
        stride: stride of the second convolution and the shortcut; the shortcut is a projection unless it is
            1.
    """

    def __init__(self, width: int, channels: int, *, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(width, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.prelu = nn.PReLU(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.downsample: nn.Module = (
            nn.Identity()
            if stride == 1
            else nn.Sequential(nn.Conv2d(width, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute features (B, channels, H / stride, W / stride).

        Args:
            x: (B, width, H, W).
        """
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        return self.downsample(x) + self.bn3(self.conv2(y))


class IResNet50(nn.Module):
    """ArcFace with the IResNet-50 network (Deng et al., CVPR 2019), in evaluation mode with frozen weights.

    It has the layers of IR-SE50 without squeeze-and-excitation, in another order and with other keys.

    Example:
        >>> recogniser = IResNet50.from_official("ms1mv3_arcface_r50.pth")  # doctest: +SKIP
        >>> recogniser.embed(crops).shape  # doctest: +SKIP
        torch.Size([8, 512])
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU(64)
        width = 64
        for i, (channels, depth) in enumerate(STAGES, 1):
            blocks = [IResNetBlock(width, channels, stride=2)]
            blocks += [IResNetBlock(channels, channels, stride=1) for _ in range(depth - 1)]
            setattr(self, f"layer{i}", nn.Sequential(*blocks))
            width = channels
        self.bn2 = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512 * (CROP // 16) ** 2, FEATURES)
        self.features = nn.BatchNorm1d(FEATURES)
        self.eval().requires_grad_(False)

    @classmethod
    def from_official(cls, source: str | Path | Mapping[str, Any]) -> "IResNet50":
        """Load insightface's `backbone.pth` of an `iresnet50`.

        Args:
            source: the file, or a state dict with its keys.

        Raises:
            BadCheckpoint: the file is missing, damaged, unsafe, or holds other weights.
        """
        state = source if isinstance(source, Mapping) else read_checkpoint(source)
        with torch.device("meta"):  # drawing 44 million initial values would take a while
            network = cls()
        network.to_empty(device=CPU)
        for key, counter in network.named_buffers():
            if key.endswith("num_batches_tracked"):  # files may lack it
                counter.zero_()
        load_strictly(
            network, state, name="the IResNet50 file" if isinstance(source, Mapping) else Path(source).name
        )
        return network

    def embed(self, crops: Tensor) -> Tensor:
        """Compute identity vectors r_id of unit length ([IDP] Eq. 7, scaled to the sphere).

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
            raise ValueError(f"IResNet50 wants crops (B, 3, {CROP}, {CROP}), got {tuple(crops.shape)}")
        x = self.prelu(self.bn1(self.conv1(crops)))
        for i in range(1, len(STAGES) + 1):
            x = self.get_submodule(f"layer{i}")(x)
        return self.features(self.fc(self.bn2(x).flatten(1)))
