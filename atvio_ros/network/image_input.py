"""Images as arrays of pixels -> images as the network's tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from atvio_ros.network.config import AtvioConfig
from atvio_ros.types import ImageArray

_LUMA = (0.299, 0.587, 0.114)  # grey from red, green, blue (ITU-R BT.601), as OpenCV converts


def images_to_tensor(images: ImageArray | Sequence[ImageArray]) -> Tensor:
    """Images (..., H, W, C), or a sequence of them, C = 1 (grey) or 3 -> uint8 tensor (..., C, H, W)."""
    pixels = torch.from_numpy(np.array(images))  # a copy: decoded images may be read-only views of a message
    return pixels.movedim(-1, -3)


class ImageInput(nn.Module):
    """Scales pixel values and brings images to the channels the network was made for."""

    luma: Tensor

    def __init__(self, config: AtvioConfig) -> None:
        super().__init__()
        self.channels = config.image_channels
        self.mean = config.image_mean
        self.std = config.image_std
        self.register_buffer('luma', torch.tensor(_LUMA).view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """(..., C, H, W), C = 1 or 3, uint8 or float in [0, 1] -> float (..., channels, H, W), about unit variance."""
        values = images.to(self.luma.dtype)
        if values.shape[-3] == 1 and self.channels == 3:
            values = values.expand(*values.shape[:-3], 3, *values.shape[-2:])
        elif values.shape[-3] == 3 and self.channels == 1:
            values = (values * self.luma).sum(dim=-3, keepdim=True)
        unit = 1.0 if images.is_floating_point() else 255.0
        return (values - unit * self.mean) / (unit * self.std)
