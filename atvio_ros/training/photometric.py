"""Random changes of brightness and contrast, and pixel noise, on the training device."""

from __future__ import annotations

import torch
from torch import Tensor

from atvio_ros.training.settings import AugmentationSettings


def photometric(images: Tensor, settings: AugmentationSettings) -> Tensor:
    """Images (B, T + 1, C, H, W) uint8 -> float in [0, 1], one brightness and contrast a window; unchanged if all off.

    Draws from torch's global generator.
    """
    if not (settings.brightness or settings.contrast or settings.noise):
        return images
    values = images.float() / 255.0
    per_window = (len(images), 1, 1, 1, 1)
    gain = 1.0 + settings.contrast * _symmetric(per_window, values)
    offset = settings.brightness * _symmetric(per_window, values)
    middle = values.mean(dim=(1, 2, 3, 4), keepdim=True)
    values = (values - middle) * gain + (middle + offset)
    if settings.noise:
        values = values + settings.noise * torch.randn_like(values)
    return values.clamp(0.0, 1.0)


def _symmetric(size: tuple[int, ...], like: Tensor) -> Tensor:
    return 2.0 * torch.rand(size, dtype=like.dtype, device=like.device) - 1.0
