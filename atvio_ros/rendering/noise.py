"""Tileable random fields, from which all materials are painted."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import scipy.fft
from numpy.typing import NDArray

from atvio_ros.types import FloatArray, ImageArray

SIZE_PX = 512  # of every texture


def fractal(rng: np.random.Generator, exponent: float) -> FloatArray:
    """A field (SIZE_PX, SIZE_PX) of zero mean and unit deviation whose spectrum falls as 1 / frequency^exponent."""
    white = rng.standard_normal((SIZE_PX, SIZE_PX), dtype=np.float32)
    field = scipy.fft.irfft2(scipy.fft.rfft2(white) * _falloff(exponent), s=white.shape)
    return np.asarray(field / field.std(), dtype=np.float64)


@lru_cache(maxsize=32)
def _falloff(exponent: float) -> NDArray[np.float32]:
    frequency = np.hypot(np.fft.fftfreq(SIZE_PX)[:, None], np.fft.rfftfreq(SIZE_PX)[None])
    frequency[0, 0] = np.inf
    return np.asarray(frequency**-exponent, dtype=np.float32)


def speckle(rng: np.random.Generator, grain_px: int) -> FloatArray:
    """Grains of about one size: a field (SIZE_PX, SIZE_PX) of zero mean and unit deviation."""
    count = SIZE_PX // grain_px + 1
    grains = rng.standard_normal((count, count))
    grains[-1], grains[:, -1] = grains[0], grains[:, 0]
    field = cv2.resize(grains, (SIZE_PX, SIZE_PX), interpolation=cv2.INTER_LINEAR)
    return np.asarray((field - field.mean()) / field.std())


def flat(colour: tuple[float, ...]) -> FloatArray:
    """One colour everywhere, (SIZE_PX, SIZE_PX, 3)."""
    return np.full((SIZE_PX, SIZE_PX, 3), colour, dtype=np.float64)


def rgba(colour: FloatArray, alpha: FloatArray | None = None) -> ImageArray:
    """RGB (H, W, 3) in [0, 1] and coverage (H, W) as 8-bit RGBA."""
    result = np.full((*colour.shape[:2], 4), 255, np.uint8)
    result[..., :3] = np.clip(colour * 255.0, 0.0, 255.0)
    if alpha is not None:
        result[..., 3] = np.clip(alpha * 255.0, 0.0, 255.0)
    return result
