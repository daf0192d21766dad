"""Latitude and longitude to metres: east, north, up about a first point, on the WGS 84 ellipsoid."""

from __future__ import annotations

import numpy as np

from atvio_ros.types import FloatArray

SEMI_MAJOR_M, FLATTENING = 6378137.0, 1.0 / 298.257223563  # WGS 84 (NIMA TR8350.2)


def earth_centred(degrees_and_height: FloatArray) -> FloatArray:
    """Latitude [deg], longitude [deg], height over the ellipsoid [m] (..., 3) -> earth-centred x y z [m] (..., 3)."""
    latitude, longitude = np.radians(degrees_and_height[..., 0]), np.radians(degrees_and_height[..., 1])
    height = degrees_and_height[..., 2]
    e2 = FLATTENING * (2.0 - FLATTENING)
    normal = SEMI_MAJOR_M / np.sqrt(1.0 - e2 * np.sin(latitude) ** 2)
    across = (normal + height) * np.cos(latitude)
    return np.stack(
        (across * np.cos(longitude), across * np.sin(longitude), (normal * (1.0 - e2) + height) * np.sin(latitude)),
        axis=-1,
    )


def east_north_up(degrees_and_height: FloatArray) -> FloatArray:
    """Latitudes, longitudes [deg] and heights [m] (N, 3) -> metres east, north and up of the first (N, 3) (REP 103)."""
    latitude, longitude = np.radians(degrees_and_height[0, 0]), np.radians(degrees_and_height[0, 1])
    sin_a, cos_a, sin_o, cos_o = np.sin(latitude), np.cos(latitude), np.sin(longitude), np.cos(longitude)
    R = np.array(
        [
            [-sin_o, cos_o, 0.0],
            [-sin_a * cos_o, -sin_a * sin_o, cos_a],
            [cos_a * cos_o, cos_a * sin_o, sin_a],
        ]
    )
    points = earth_centred(degrees_and_height)
    return np.asarray((points - points[0]) @ R.T)
