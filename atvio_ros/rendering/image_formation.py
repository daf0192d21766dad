"""From what the lens throws to what the sensor gives: blur, vignette, tone curve, noise, grey or colour."""

from __future__ import annotations

import cv2
import numpy as np

from atvio_ros.rendering.appearance import Appearance
from atvio_ros.rendering.conditions import ORDINARY, Conditions
from atvio_ros.rendering.weather import Rain
from atvio_ros.types import ImageArray

# Standard deviation of a sensor's noise at high gain, by brightness (256,): read noise, and photons that are few.
SHOT_NOISE = np.sqrt(3.0**2 + 0.7 * np.arange(256.0)).astype(np.float32)
NOISE_IMAGES = 6  # drawn once; each image gets one of them at a random offset


class ImageFormation:
    """Turns rendered images (H, W, 3) into the camera's, (H, W, 3) or grey (H, W). Deterministic by seed and index."""

    def __init__(
        self,
        appearance: Appearance,
        width: int,
        height: int,
        colour: bool,
        seed: int,
        conditions: Conditions = ORDINARY,
    ) -> None:
        self._seed = seed
        self._look = appearance
        self._colour = colour
        self._curve = self._tone(1.0)
        self._conditions = conditions
        self._rain = Rain(width, height, conditions.rain, seed) if conditions.rain else None
        self._waves = np.random.default_rng((seed, 23)).uniform((0.3, 0.0), (2.5, 2 * np.pi), (4, 2))
        x, y = np.meshgrid(np.linspace(-1.0, 1.0, width), np.linspace(-1.0, 1.0, height))
        falloff = 1.0 - appearance.vignette * (x**2 + y**2) / 2.0
        shape = (height, width, 3) if colour else (height, width)
        self._falloff = np.ascontiguousarray(
            np.broadcast_to(falloff[..., None] if colour else falloff, shape), dtype=np.float32
        )
        size = (NOISE_IMAGES, height + 16, width + 16, *shape[2:])
        self._noise = np.round(np.random.default_rng((seed, 3)).normal(0.0, appearance.noise, size)).astype(np.int16)

    def develop(self, image: ImageArray, index: int, time_s: float = 0.0) -> ImageArray:
        """The camera's image of one rendered image (H, W, 3) RGB; `index` chooses its noise, the time its exposure."""
        height, width = image.shape[:2]
        if self._rain is not None:
            image = self._rain.before(image, index, time_s)
        if not self._colour:
            image = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
        if self._look.blur_px > 0.15:
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), self._look.blur_px), np.uint8)
        image = np.asarray(cv2.multiply(image, self._falloff, dtype=cv2.CV_8U), np.uint8)
        changes = self._conditions.exposure_changes
        curve = self._tone(2.0 ** (changes * self._brightening(time_s))) if changes else self._curve
        image = np.asarray(cv2.LUT(image, curve), np.uint8)
        which, dy, dx = np.random.default_rng((self._seed, 4, index)).integers((NOISE_IMAGES, 17, 17))
        noise = self._noise[which, dy : dy + height, dx : dx + width]
        if self._conditions.night != 'none':
            amplified = cv2.LUT(image, SHOT_NOISE / np.float32(self._look.noise)) * noise
            return np.asarray(cv2.add(image, amplified, dtype=cv2.CV_8U), np.uint8)
        return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)

    def _tone(self, gain: float) -> ImageArray:
        """What the sensor gives for each brightness (256,), of an exposure `gain` times the usual one."""
        levels = np.clip(gain * np.linspace(0.0, 1.0, 256), 0.0, 1.0) ** self._look.gamma * 255.0
        return np.clip(levels + self._look.black_level, 0.0, 255.0).astype(np.uint8)

    def _brightening(self, time_s: float) -> float:
        """A wandering number of unit deviation: exposure control that hunts, and light that changes."""
        rate, phase = self._waves.T
        return float(np.sin(rate * time_s + phase).sum() / np.sqrt(len(rate) / 2))
