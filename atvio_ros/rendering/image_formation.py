"""From what the lens throws to what the sensor gives: blur, vignette, tone curve, noise, grey or colour."""

from __future__ import annotations

import cv2
import numpy as np

from atvio_ros.rendering.appearance import Appearance
from atvio_ros.types import ImageArray

NOISE_IMAGES = 6  # drawn once; each image gets one of them at a random offset


class ImageFormation:
    """Turns rendered images (H, W, 3) into the camera's, (H, W, 3) or grey (H, W). Deterministic by seed and index."""

    def __init__(self, appearance: Appearance, width: int, height: int, colour: bool, seed: int) -> None:
        self._seed = seed
        self._look = appearance
        self._colour = colour
        levels = np.linspace(0.0, 1.0, 256) ** appearance.gamma * 255.0 + appearance.black_level
        self._curve = np.clip(levels, 0.0, 255.0).astype(np.uint8)
        x, y = np.meshgrid(np.linspace(-1.0, 1.0, width), np.linspace(-1.0, 1.0, height))
        falloff = 1.0 - appearance.vignette * (x**2 + y**2) / 2.0
        shape = (height, width, 3) if colour else (height, width)
        self._falloff = np.ascontiguousarray(
            np.broadcast_to(falloff[..., None] if colour else falloff, shape), dtype=np.float32
        )
        size = (NOISE_IMAGES, height + 16, width + 16, *shape[2:])
        self._noise = np.round(np.random.default_rng((seed, 3)).normal(0.0, appearance.noise, size)).astype(np.int16)

    def develop(self, image: ImageArray, index: int) -> ImageArray:
        """The camera's image of one rendered image (H, W, 3) RGB; `index` chooses its noise."""
        height, width = image.shape[:2]
        if not self._colour:
            image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._look.blur_px > 0.15:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._look.blur_px), np.uint8)
        image = np.asarray(cv2.multiply(image, self._falloff, dtype=cv2.CV_8U), np.uint8)
        image = np.asarray(cv2.LUT(image, self._curve), np.uint8)
        which, dy, dx = np.random.default_rng((self._seed, 4, index)).integers((NOISE_IMAGES, 17, 17))
        noise = self._noise[which, dy : dy + height, dx : dx + width]
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)
