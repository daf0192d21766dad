"""Cars, vans and lorries. Local axes: x forward, y left, z up, origin on the ground below the middle."""

from __future__ import annotations

import numpy as np

from atvio_ros.rendering.mesh import Quads, box, circle, quads, rectangle_uv
from atvio_ros.rendering.textures import Textures
from atvio_ros.types import FloatArray

PAINTS = np.array(
    [
        (0.05, 0.05, 0.06),
        (0.75, 0.75, 0.76),
        (0.45, 0.46, 0.48),
        (0.9, 0.9, 0.9),
        (0.08, 0.12, 0.35),
        (0.5, 0.06, 0.06),
        (0.1, 0.25, 0.15),
        (0.3, 0.3, 0.33),
        (0.02, 0.02, 0.02),
        (0.6, 0.55, 0.4),
    ]
)
GLASS, RUBBER = (0.07, 0.08, 0.1), (0.04, 0.04, 0.04)

# Outlines of the side view: x from rear to front and height, both relative to length and height.
LOWER = [(0.0, 0.2), (0.0, 0.55), (0.02, 0.62), (0.72, 0.62), (0.97, 0.5), (1.0, 0.42), (1.0, 0.2)]
CABINS = {
    'hatchback': [(0.02, 0.62), (0.09, 0.97), (0.5, 1.0), (0.75, 0.62)],
    'saloon': [(0.12, 0.6), (0.27, 0.97), (0.52, 1.0), (0.74, 0.62)],
    'estate': [(0.01, 0.62), (0.05, 0.97), (0.52, 1.0), (0.74, 0.62)],
    'van': [(0.0, 0.5), (0.01, 1.0), (0.75, 1.0), (0.93, 0.55)],
}


def car(textures: Textures, rng: np.random.Generator) -> tuple[Quads, float, float]:
    """A car with its length and width [m]."""
    kind = str(rng.choice(list(CABINS), p=(0.4, 0.2, 0.25, 0.15)))
    length, width, height = rng.uniform(3.7, 4.8), rng.uniform(1.65, 1.85), rng.uniform(1.4, 1.6)
    if kind == 'van':
        length, width, height = rng.uniform(4.5, 5.6), rng.uniform(1.85, 2.05), rng.uniform(1.9, 2.4)
    paint = np.clip(PAINTS[rng.integers(len(PAINTS))] + rng.normal(0.0, 0.02, 3), 0.01, 1.0)
    scale = np.array((length, height))
    lower = (np.array(LOWER) - (0.5, 0.0)) * scale
    cabin = (np.array(CABINS[kind]) - (0.5, 0.0)) * scale
    body = _extrude(lower, width, width * 0.97, paint, textures.pick('paint', rng))
    glasshouse = _extrude(cabin, width * 0.94, width * 0.76, np.ones(3), textures.pick('glass', rng))
    panels = slice(3, None) if kind == 'van' and rng.random() < 0.6 else slice(0, 0)
    for painted in (slice(1, 2), panels):  # the roof, and the sides of a van without windows
        glasshouse['colour'][painted, :, :3] = np.clip(paint * 255, 0, 255)
        glasshouse['layer'][painted, :, 0] = textures.layers['paint'][0]
    parts = [body, glasshouse]
    parts.append(_pillars(cabin, width, paint))
    parts += _wheels(length, width, (-0.31, 0.31), 0.31)
    parts += _lights(length, width, height)
    return np.concatenate(parts), length, width


def lorry(rng: np.random.Generator) -> tuple[Quads, float, float]:
    """A lorry or bus with its length and width [m]."""
    length, width, height = rng.uniform(7.5, 15.0), 2.5, rng.uniform(3.2, 4.0)
    paint, load = (
        PAINTS[rng.integers(len(PAINTS))],
        np.clip(rng.uniform(0.4, 1.0) + rng.normal(0.0, 0.07, 3), 0.05, 1.0),
    )
    cargo = box(length - 2.6, width, 1.0, height)
    cargo[:, :, 0] -= 1.3
    cab = box(2.2, width * 0.95, 0.5, min(height, 3.0))
    cab[:, :, 0] += length / 2 - 1.1
    screen = box(0.05, width * 0.85, 1.5, 2.5)
    screen[:, :, 0] += length / 2 + 0.01
    chassis = box(length - 0.5, width * 0.8, 0.5, 1.0)
    parts = [quads(cargo, rectangle_uv(), load, 0), quads(cab, rectangle_uv(), paint, 0)]
    parts += [quads(screen, rectangle_uv(), GLASS, 0), quads(chassis, rectangle_uv(), RUBBER, 0)]
    parts += _wheels(length, width, (-0.38, -0.28, 0.36), 0.5) + _lights(length, width, 2.2)
    return np.concatenate(parts), length, width


def _extrude(profile: FloatArray, bottom_width: float, top_width: float, paint: FloatArray, layer: int) -> Quads:
    """Skin over a side view (N, 2): the strip across each edge, then both sides as fans; narrower towards the top."""
    low, high = profile[:, 1].min(), profile[:, 1].max()
    half = (bottom_width + (top_width - bottom_width) * (profile[:, 1] - low) / (high - low)) / 2
    left = np.stack((profile[:, 0], half, profile[:, 1]), axis=1)
    right = left * (1.0, -1.0, 1.0)
    strip = np.stack((left[:-1], left[1:], right[1:], right[:-1]), axis=1)
    n = len(profile)
    fan = [(0, i, i + 1, min(i + 2, n - 1)) for i in range(1, n - 1, 2)]
    sides = [side[list(corners)] for side in (left, right) for corners in fan]
    sides[len(fan) :] = [corners[::-1] for corners in sides[len(fan) :]]
    faces = np.concatenate((strip[:, ::-1], np.array(sides)))
    uv = (faces[..., (0, 2)] - (profile[:, 0].min(), low)) / (np.ptp(profile[:, 0]), high - low)
    return quads(faces, uv * 0.98 + 0.01, paint, layer)


def _pillars(cabin: FloatArray, width: float, paint: FloatArray) -> Quads:
    """Painted window frames on both sides of the glass."""
    faces = []
    low, high = cabin[0, 1], cabin[:, 1].max()
    for x in np.linspace(cabin[1, 0], cabin[2, 0], 3):
        for side in (1.0, -1.0):
            y_low, y_high = side * width * 0.475, side * width * 0.385
            face = [(x - 0.05, y_low, low), (x + 0.05, y_low, low), (x + 0.05, y_high, high), (x - 0.05, y_high, high)]
            faces.append(face if side < 0 else face[::-1])
    return quads(np.array(faces), rectangle_uv(), paint, 0)


def _wheels(length: float, width: float, axles: tuple[float, ...], radius: float) -> list[Quads]:
    parts = []
    rim = circle(radius, 8)
    for axle in axles:
        for side in (1.0, -1.0):
            y = side * (width / 2 + 0.015)
            ring = np.stack((rim[:, 0] + axle * length, np.full(8, y), rim[:, 1] + radius), axis=1)
            hub = ring.copy()
            hub[:, [0, 2]] = (ring[:, [0, 2]] - (axle * length, radius)) * 0.55 + (axle * length, radius)
            hub[:, 1] += side * 0.01
            for points, tint in ((ring, RUBBER), (hub, (0.4, 0.4, 0.42))):
                faces = points[np.array([[0, 1, 2, 3], [0, 3, 4, 7], [4, 5, 6, 7]])]
                parts.append(quads(faces if side < 0 else faces[:, ::-1], rectangle_uv(), tint, 0))
    return parts


def _lights(length: float, width: float, height: float) -> list[Quads]:
    """Lamps, number plates and bumpers at both ends."""
    parts = []
    for end, tint in ((-1.0, (0.6, 0.05, 0.04)), (1.0, (0.85, 0.85, 0.8))):
        x = end * (length / 2 + 0.012)
        plate = [(x, -0.26, 0.45), (x, 0.26, 0.45), (x, 0.26, 0.56), (x, -0.26, 0.56)]
        bumper = [(x, -width * 0.48, 0.26), (x, width * 0.48, 0.26), (x, width * 0.48, 0.38), (x, -width * 0.48, 0.38)]
        lamps = []
        for side in (-1.0, 1.0):
            y, w, z = side * width * 0.38, 0.16, height * 0.43
            lamps.append([(x, y - w, z - 0.07), (x, y + w, z - 0.07), (x, y + w, z + 0.07), (x, y - w, z + 0.07)])
        for faces, shown in ((lamps, tint), ([plate], (0.9, 0.9, 0.88)), ([bumper], (0.1, 0.1, 0.1))):
            outward = np.array(faces) if end > 0 else np.array(faces)[:, ::-1]
            parts.append(quads(outward, rectangle_uv(), shown, 0))
    return parts
