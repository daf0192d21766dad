"""The road under a drive: its centre line, its cross-section, its surroundings, and what ground must stay free."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import cKDTree

from atvio_ros.rendering.trajectory import Motion
from atvio_ros.rendering.zones import ZONES, Zone
from atvio_ros.types import FloatArray

SPACING_M = 1.0  # of the road's samples
BEFORE_M, AFTER_M = 80.0, 330.0  # of straight road added before the first and after the last pose
CHUNK_M = 16  # road is drawn in pieces of this length, so a whole number of samples


@dataclass(frozen=True)
class Road:
    """The driven way sampled each metre. `left` and `right` are distances [m] from the car's line, both positive."""

    centre: FloatArray  # (S, 3) on the road surface, world axes
    left_axis: FloatArray  # (S, 2) unit vector to the left, horizontal
    curvature: FloatArray  # (S,) 1/m, positive to the left
    speed: FloatArray  # (S,) m/s of the car
    zone: NDArray[np.int64]  # (S,) index into `zones`
    drive_left: FloatArray  # (S,) edge of the carriageway
    drive_right: FloatArray
    paved_left: FloatArray  # (S,) edge of the asphalt: the carriageway and its parking strips
    paved_right: FloatArray
    image_way_m: FloatArray  # (N,) where along the samples [m] the car is at each image
    tree: cKDTree
    zones: tuple[Zone, ...] = ZONES

    def zone_at(self, sample: int) -> Zone:
        """The surroundings of a sample."""
        return self.zones[int(self.zone[sample])]

    @property
    def heading(self) -> FloatArray:
        """Direction of travel (S,) [rad] in the world."""
        return np.arctan2(-self.left_axis[:, 0], self.left_axis[:, 1])

    @property
    def chunks(self) -> int:
        """Number of pieces of CHUNK_M metres."""
        return len(self.centre) // CHUNK_M

    def beside(self, way_m: FloatArray, left_m: FloatArray) -> FloatArray:
        """World x, y (N, 2) of points `left_m` to the left of the road at `way_m` metres along it."""
        samples = np.arange(len(self.centre))
        x, y, ax, ay = (np.interp(way_m, samples, column) for column in (*self.centre[:, :2].T, *self.left_axis.T))
        norm = np.maximum(np.hypot(ax, ay), 1e-6)
        return np.stack((x + ax / norm * left_m, y + ay / norm * left_m), axis=-1)

    def is_free(
        self, points: FloatArray, groups: NDArray[np.int64], margin_m: FloatArray, paved: bool
    ) -> NDArray[np.bool_]:
        """Which objects keep off every part of the road that is ever driven.

        Footprint points (P, 2) of objects `groups` (P,), numbered from 0, must keep `margin_m` (objects,) from the
        asphalt (paved=True: buildings, trees, poles) or the carriageway (False: parked cars) of each road sample.
        """
        left, right = (self.paved_left, self.paved_right) if paved else (self.drive_left, self.drive_right)
        reach = float(max(left.max(), right.max()) + margin_m.max(initial=0.0) + SPACING_M)
        pairs = self.tree.sparse_distance_matrix(cKDTree(points), reach, output_type='ndarray')
        near, point = pairs['i'], pairs['j']
        offset = points[point] - self.centre[near, :2]
        across = (offset * self.left_axis[near]).sum(axis=1)
        along = offset[:, 0] * self.left_axis[near, 1] - offset[:, 1] * self.left_axis[near, 0]
        margin = margin_m[groups[point]]
        blocked = (
            (np.abs(along) <= SPACING_M + margin) & (across < left[near] + margin) & (across > -right[near] - margin)
        )
        free = np.ones(len(margin_m), bool)
        free[groups[point[blocked]]] = False
        return free


def trace(
    motion: Motion, T_base_camera: FloatArray, image_times_s: FloatArray, camera_height_m: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Ground under the camera: samples (S, 3) each metre with speeds (S,), and the way [m] at each image (N,).

    The ground is `camera_height_m` below the camera along its own downward axis, smoothed over what springs even out.
    Straight road is added at both ends.
    """
    times_s = np.linspace(motion.times_s[0], motion.times_s[-1], max(8, int(np.ptp(motion.times_s) * 10)))
    T_world_camera = motion.still.poses(times_s) @ T_base_camera
    ground = T_world_camera[:, :3, 3] + camera_height_m * T_world_camera[:, :3, 1]
    heading = T_world_camera[:, :3, 2]
    kept = [0]
    for i in range(1, len(ground)):  # at a standstill a measured trajectory trembles: wait until it has really moved
        if np.linalg.norm(ground[i, :2] - ground[kept[-1], :2]) > 0.4:
            kept.append(i)
    points, kept_times = ground[kept], times_s[kept]
    points = _extend(points, heading[0], heading[-1])
    way = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(points[:, :2], axis=0), axis=1))))
    samples = np.arange(0.0, way[-1], SPACING_M)
    samples = samples[: len(samples) // CHUNK_M * CHUNK_M]
    spline = CubicSpline(way, points)
    centre = spline(samples)
    centre[:, :2] = gaussian_filter1d(centre[:, :2], 0.8, axis=0, mode='nearest')
    centre[:, 2] = gaussian_filter1d(centre[:, 2], 2.5, mode='nearest')
    first = int(BEFORE_M / 4)  # of the kept points among the added ones
    driven = way[first : first + len(kept)]
    image_way = np.interp(image_times_s, kept_times, driven)
    speed = np.interp(samples, driven, motion.speed(kept_times))
    return centre, speed, image_way


def directions(centre: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Left axes (S, 2) and curvature (S,) [1/m] of a sampled line."""
    tangent = np.gradient(centre[:, :2], axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-9)
    heading = np.unwrap(np.arctan2(tangent[:, 1], tangent[:, 0]))
    curvature = gaussian_filter1d(np.gradient(heading), 1.5) / SPACING_M
    return np.stack((-tangent[:, 1], tangent[:, 0]), axis=1), curvature


def _extend(points: FloatArray, first: FloatArray, last: FloatArray) -> FloatArray:
    """Add a point each 4 m straight on at both ends, level with the end."""
    before = np.arange(int(BEFORE_M / 4), 0, -1)[:, None] * 4.0
    after = np.arange(1, int(AFTER_M / 4) + 1)[:, None] * 4.0
    backward, forward = (axis * (1.0, 1.0, 0.0) / np.linalg.norm(axis[:2]) for axis in (first, last))
    return np.concatenate((points[0] - before * backward, points, points[-1] + after * forward))
