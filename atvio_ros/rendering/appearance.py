"""What varies from seed to seed besides the things themselves: light, weather, and the camera's own character."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atvio_ros.rendering.conditions import ORDINARY, Conditions
from atvio_ros.rendering.mesh import Light
from atvio_ros.types import FloatArray


@dataclass(frozen=True)
class Appearance:
    """Light, air and camera of one drive."""

    light: Light
    overcast: float  # 0 clear sky, 1 closed clouds
    haze: FloatArray  # (3,) RGB colour of the air
    haze_density: float  # 1/m
    exposure: float  # factor on all brightness
    gamma: float
    black_level: float  # of 255
    vignette: float  # share of light lost in the corners
    blur_px: float  # standard deviation of the lens's blur, at the output size
    noise: float  # standard deviation of the sensor's noise, of 255


def draw_appearance(rng: np.random.Generator, conditions: Conditions = ORDINARY) -> Appearance:
    """A random time of day, weather and camera, as far as the conditions leave it open."""
    azimuth, elevation = rng.uniform(0.0, 2 * np.pi), np.radians(rng.uniform(16.0, 66.0))
    direction = np.array((np.cos(azimuth) * np.cos(elevation), np.sin(azimuth) * np.cos(elevation), np.sin(elevation)))
    overcast = float(np.clip(rng.beta(0.6, 1.1), 0.0, 1.0))
    if conditions.rain or conditions.wet:
        overcast = max(overcast, 0.75)
    if conditions.night != 'none':
        overcast = 1.0  # things are lit evenly; the renderer takes the light away
    elif conditions.tree_shadows:
        overcast *= 0.1
    warm = np.array((1.0, 1.0 - 0.1 * rng.random(), 1.0 - 0.25 * rng.random()))
    cool = np.array((1.0 - 0.15 * rng.random(), 1.0 - 0.05 * rng.random(), 1.0))
    sun = (1.0 - 0.95 * overcast) * rng.uniform(1.1, 1.7) * warm
    sky = (rng.uniform(0.3, 0.6) + 0.55 * overcast) * cool
    flat = float(np.mean(sun * max(direction[2], 0.35) + sky))  # a camera's automatic exposure follows it
    visibility_m = np.exp(rng.uniform(np.log(250.0), np.log(5000.0)))
    return Appearance(
        light=Light(direction, sun, sky),
        overcast=overcast,
        haze=np.clip(np.full(3, rng.uniform(0.6, 0.95)) * cool, 0.0, 1.0),
        haze_density=float(2.0 / visibility_m),
        exposure=float(1.35 / flat * np.exp(rng.uniform(-0.35, 0.35))),
        gamma=float(np.exp(rng.normal(0.0, 0.16))),
        black_level=float(rng.uniform(-12.0, 12.0)),
        vignette=float(rng.uniform(0.0, 0.25)),
        blur_px=float(max(0.0, rng.uniform(-0.3, 0.7))),
        noise=float(rng.uniform(0.5, 4.5)),
    )
