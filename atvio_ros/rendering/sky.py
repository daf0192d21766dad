"""The sky and the far horizon: clouds, hills and tree lines too far away to show parallax."""

from __future__ import annotations

import cv2
import numpy as np

from atvio_ros.rendering.appearance import Appearance
from atvio_ros.rendering.noise import SIZE_PX, fractal
from atvio_ros.types import FloatArray, ImageArray

LOWEST_DEG, HIGHEST_DEG = -12.0, 58.0
PANORAMA_PX = (SIZE_PX, 4 * SIZE_PX)  # rows over elevation, columns over azimuth


def panorama(appearance: Appearance, rng: np.random.Generator) -> ImageArray:
    """All directions (rows from LOWEST_DEG up, columns over the full circle) as RGB."""
    rows, columns = PANORAMA_PX
    elevation = np.linspace(LOWEST_DEG, HIGHEST_DEG, rows)[:, None]
    blue = np.array((rng.uniform(0.25, 0.5), rng.uniform(0.45, 0.65), rng.uniform(0.75, 0.95)))
    grey = np.full(3, rng.uniform(0.6, 0.9))
    zenith = blue * (1 - appearance.overcast) + grey * appearance.overcast
    rise = np.clip(elevation / 35.0, 0.0, 1.0)[..., None] ** 0.7
    sky = appearance.haze * (1 - rise) + zenith * rise
    sky = np.broadcast_to(sky, (rows, columns, 3)).copy()
    field = cv2.resize(np.tile(fractal(rng, 1.7), (1, 2)), (columns, 2 * rows), interpolation=cv2.INTER_LINEAR)[:rows]
    clouds = np.clip((field + rng.uniform(-1.2, 0.6) + appearance.overcast) * 0.9, 0.0, 1.0)[..., None]
    clouds *= np.clip(elevation / 6.0, 0.0, 1.0)[..., None]
    light = np.clip(0.9 + 0.12 * np.roll(field, 9, axis=0), 0.3, 1.1)[..., None] * rng.uniform(0.8, 1.15)
    sky = sky * (1 - clouds) + light * clouds
    glow = _around_sun(appearance, elevation, columns)
    sky += glow * (1 - appearance.overcast)
    brightness = appearance.light.sky.mean() + 0.4
    sky *= brightness
    lit = (appearance.light.sky + 0.6 * appearance.light.sun * appearance.light.direction[2]) * 0.8
    for ridge, (height_deg, rough, nearness) in enumerate(((4.0, 2.0, 0.25), (2.2, 1.6, 0.5), (1.3, 1.1, 0.75))):
        if rng.random() < 0.35 and ridge < 2:
            continue
        outline = height_deg * rng.uniform(0.2, 1.0) * (1.0 + 0.45 * _ring(rng, columns, rough))
        land = (elevation < outline[None])[..., None]
        colour = np.array((0.22, 0.28, 0.17)) * rng.uniform(0.6, 1.2) * lit
        texture = 1.0 + 0.25 * cv2.resize(np.tile(fractal(rng, 0.9), (1, 2)), (columns, rows))[..., None]
        veil = np.exp(-appearance.haze_density * 600.0 * (1.2 - nearness))
        sky = np.where(land, colour * texture * veil + appearance.haze * (1 - veil), sky)
    below = np.clip(-elevation / 1.5, 0.0, 1.0)[..., None]
    field_colour = np.array((0.3, 0.33, 0.2)) * lit
    sky = sky * (1 - below) + field_colour * below
    return np.asarray(np.clip(sky * 255.0, 0.0, 255.0), np.uint8)


def dome(segments: int = 48) -> tuple[FloatArray, FloatArray]:
    """Directions (Q, 4, 3) and panorama coordinates (Q, 4, 2) of quadrilaterals all around and overhead."""
    azimuth = np.linspace(0.0, 2 * np.pi, segments + 1)
    elevation = np.radians((-89.0, LOWEST_DEG, 0.0, 20.0, HIGHEST_DEG, 89.0))
    v = np.clip((np.degrees(elevation) - LOWEST_DEG) / (HIGHEST_DEG - LOWEST_DEG), 0.0, 1.0)
    corners, uv = [], []
    for low in range(len(elevation) - 1):
        for left in range(segments):
            ring = [(left, low), (left + 1, low), (left + 1, low + 1), (left, low + 1)]
            # Each band is flat between its two elevations, so the panorama's rows are evenly spread in the tangent.
            corners.append([(np.cos(azimuth[a]), np.sin(azimuth[a]), np.tan(elevation[e])) for a, e in ring])
            uv.append([(azimuth[a] / (2 * np.pi), v[e]) for a, e in ring])
    return np.array(corners), np.array(uv)


def _ring(rng: np.random.Generator, columns: int, exponent: float) -> FloatArray:
    """Periodic noise (columns,) of unit deviation."""
    frequency = np.arange(columns // 2 + 1, dtype=np.float64)
    frequency[0] = np.inf
    line = np.fft.irfft(np.exp(2j * np.pi * rng.random(len(frequency))) * frequency**-exponent, columns)
    return np.asarray(line / line.std())


def _around_sun(appearance: Appearance, elevation_deg: FloatArray, columns: int) -> FloatArray:
    """Glare (rows, columns, 1) around the sun."""
    azimuth = np.linspace(0.0, 2 * np.pi, columns, endpoint=False)[None]
    elevation = np.radians(elevation_deg)
    x, y, z = appearance.light.direction
    cosine = np.cos(elevation) * (np.cos(azimuth) * x + np.sin(azimuth) * y) + np.sin(elevation) * z
    angle = np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0)))
    return np.asarray((0.25 * np.exp(-angle / 25.0) + 0.8 * np.exp(-angle / 4.0))[..., None])
