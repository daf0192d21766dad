"""The direction of travel from tracked corners: a robust epipolar fit beside the gyro's rotation.

Two views of a point, as rays x in the previous and y in the current camera, and the travel d (of any length) lie in
one plane: e = d . (z × x) = 0 with z = R_previous_current y (Longuet-Higgins, Nature 1981). The residual is e over its
standard deviation, by first order from the covariance of the corner's shift (the distance of Sampson; Hartley and
Zisserman, section 11.4.3). Gauss-Newton with Cauchy weights finds d and a small rotation beside the gyro's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atvio_ros.geometry import rotations
from atvio_ros.median import median
from atvio_ros.road.tracks import Tracks
from atvio_ros.types import FloatArray

LEAST_CORNERS = 20
GYRO_SIGMA_RAD = 0.0002  # of the gyro's rotation over a pair, each axis; looser, far corners' errors tilt the travel
LEAST_PARALLAX_PX = 0.2  # median over the corners; below, nothing is said about a direction
_DOUBTFUL_PARALLAX_PX = 1.0
MOST_TANGENT = 1.0  # a direction of 45 degrees beside the level axis is no direction of travel
_LOSS = 1.5  # residual in sigmas where the Cauchy loss turns from square to logarithm
_WIDER = (10.0, 4.0)  # the loss of the first steps, so that a wrong start is left
_STEPS = 12
_ALIKE = 2.2  # true error over that of independent corners, measured on drawn drives: neighbours err alike
_SETTLED_RAD = 1e-4


@dataclass(frozen=True)
class TravelFit:
    """Direction of travel over one pair, in the level axes as they stood at the previous image."""

    pitch: float  # rad: the travel points so far below the level z axis
    yaw: float  # rad: so far to the right of it
    pitch_sigma: float  # rad, from the corners' scatter alone
    yaw_sigma: float  # rad
    rotation: FloatArray  # (3,) rad, previous camera axes: R_previous_current = exp(rotation) @ R of the gyro
    corners: int  # tracked
    support: float  # share of the corners within three sigmas, 0 to 1


def parallax_px(tracks: Tracks, K: FloatArray, R_previous_current: FloatArray) -> FloatArray:
    """How far each corner (N,) moved beyond what the rotation explains [px]."""
    turned = _rays(tracks.previous_px, K) @ R_previous_current
    away = (turned[:, :2] / turned[:, 2:]) * K.diagonal()[:2] + K[:2, 2] - tracks.current_px
    return np.asarray(np.hypot(away[:, 0], away[:, 1]))


def fit_travel(
    tracks: Tracks,
    K: FloatArray,
    R_previous_current: FloatArray,
    R_camera_level: FloatArray,
    start: tuple[float, float] = (0.0, 0.0),
    gyro_sigma_rad: float = GYRO_SIGMA_RAD,
) -> TravelFit | None:
    """Fit the direction of travel to corners; None with too few of them, too little parallax, or without a solution.

    R_previous_current is the gyro's (3, 3), optical axes. R_camera_level (3, 3) holds the given level axes x right, y
    down, z ahead in the camera; `start` is pitch and yaw in them [rad], where the search begins.
    """
    if len(tracks) < LEAST_CORNERS or stands(tracks, K, R_previous_current):
        return None
    problem = _Problem(tracks, K, R_previous_current, R_camera_level)
    prior = np.diag((0.0, 0.0, 1.0, 1.0, 1.0)) / gyro_sigma_rad**2
    v = np.array([np.tan(start[1]), np.tan(start[0]), 0.0, 0.0, 0.0])
    for step in range(_STEPS):
        loss = _WIDER[step] if step < len(_WIDER) else _LOSS
        residuals, J = problem.linearise(v)
        weights = 1.0 / (1.0 + (residuals / loss) ** 2)
        weighted = J * weights
        try:
            change = np.linalg.solve(weighted @ J.T + prior, -(weighted @ residuals) - prior @ v)
        except np.linalg.LinAlgError:  # all corners in one plane with the travel
            return None
        v = v + np.minimum(np.maximum(change, -0.2), 0.2)
        if step >= len(_WIDER) and np.abs(change).max() < _SETTLED_RAD:
            break
    if not np.abs(v[:2]).max() < MOST_TANGENT:
        return None
    residuals, J = problem.linearise(v)
    weights = 1.0 / (1.0 + (residuals / _LOSS) ** 2)
    bread = np.linalg.inv((J * weights) @ J.T + prior)
    scores = J * (residuals * weights)
    covariance = bread @ (scores @ scores.T + prior) @ bread  # of an M-estimate (Huber)
    return TravelFit(
        pitch=float(np.arctan2(v[1], np.hypot(v[0], 1.0))),
        yaw=float(np.arctan(v[0])),
        pitch_sigma=_ALIKE * float(np.sqrt(covariance[1, 1])),
        yaw_sigma=_ALIKE * float(np.sqrt(covariance[0, 0])),
        rotation=v[2:],
        corners=len(tracks),
        support=float(np.mean(np.abs(residuals) < 3.0)),
    )


def stands(tracks: Tracks, K: FloatArray, R_previous_current: FloatArray) -> bool:
    """Whether a rotation near the gyro's explains the corners, so that they tell nothing of a travel."""
    parallax = median(parallax_px(tracks, K, R_previous_current))
    if LEAST_PARALLAX_PX <= parallax < _DOUBTFUL_PARALLAX_PX:  # a drifting gyro looks like this, too
        beside = fit_rotation(tracks, K, R_previous_current)
        if beside is not None:
            R = rotations(beside) @ R_previous_current
            parallax = median(parallax_px(tracks, K, R))
    return parallax < LEAST_PARALLAX_PX


def fit_rotation(
    tracks: Tracks, K: FloatArray, R_previous_current: FloatArray, gyro_sigma_rad: float = 50 * GYRO_SIGMA_RAD
) -> FloatArray | None:
    """Small rotation (3,) [rad] beside the gyro's where the camera stands or only turns; None with too few corners.

    R_previous_current = exp(rotation) @ that of the gyro, previous camera axes.
    """
    if len(tracks) < LEAST_CORNERS:
        return None
    x, z = _rays(tracks.previous_px, K), _rays(tracks.current_px, K) @ R_previous_current.T
    focal, sigma = np.array([K[0, 0], K[1, 1]]), np.sqrt(np.trace(tracks.covariance_px2, axis1=1, axis2=2) / 2)
    a, b = z[:, 0] / z[:, 2], z[:, 1] / z[:, 2]
    away = (np.stack((a, b), axis=1) - x[:, :2]) * focal / sigma[:, None]  # (N, 2) sigmas
    by_a, by_b = np.stack((-a * b, 1.0 + a * a, -b), axis=1), np.stack((-1.0 - b * b, a * b, a), axis=1)
    J = np.stack((by_a, by_b), axis=1) * focal[:, None] / sigma[:, None, None]  # (N, 2, 3): exp(w) z ~ z + w × z
    prior, w = np.eye(3) / gyro_sigma_rad**2, np.zeros(3)
    for loss in (*_WIDER, _LOSS, _LOSS, _LOSS):
        residuals = away + J @ w
        weights = 1.0 / (1.0 + (residuals**2).sum(axis=1) / loss**2)
        weighted = (J * weights[:, None, None]).reshape(-1, 3)
        w = w - np.linalg.solve(weighted.T @ J.reshape(-1, 3) + prior, residuals.reshape(-1) @ weighted + prior @ w)
    return w


class _Problem:
    """Residuals and their derivatives. What does not change from step to step is made once.

    All is linear in d, so it is kept for the three axes of the level frame: right, down, ahead. Corners are the last
    axis of every array, along which numpy is fast, and all parts lie in one array: a step takes one product.
    """

    def __init__(
        self, tracks: Tracks, K: FloatArray, R_previous_current: FloatArray, R_camera_level: FloatArray
    ) -> None:
        x = _rays(tracks.previous_px, K).T  # (3, N)
        z = R_previous_current @ _rays(tracks.current_px, K).T
        count = len(tracks)
        parts = np.empty((3, 6, count))  # e, de/dy in sigmas (2), de/dw (3)
        parts[:, 0] = R_camera_level.T @ _cross(z, x)
        # Lower Cholesky factor of the covariance, in image coordinates of unit focal length.
        xx, xy, yy = tracks.covariance_px2[:, 0, 0], tracks.covariance_px2[:, 0, 1], tracks.covariance_px2[:, 1, 1]
        l11 = np.sqrt(xx)
        l21 = xy / l11
        l22 = np.sqrt(np.maximum(yy - l21**2, 1e-12))
        by_pixel = R_previous_current[:, :2].T / np.array([[K[0, 0]], [K[1, 1]]])
        for axis, ahead in enumerate(R_camera_level.T):
            xd = _cross(x, ahead)  # e = z . (x × d)
            gradient = by_pixel @ xd
            parts[axis, 1] = l11 * gradient[0] + l21 * gradient[1]
            parts[axis, 2] = l22 * gradient[1]
            parts[axis, 3:] = _cross(z, xd)
        self._parts = parts.reshape(3, 6 * count)
        self._aside, self._turned_aside = parts[:2], np.ascontiguousarray(parts[:2, 3:])  # of the axes that are sought

    def linearise(self, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Residuals (N,) in sigmas, derivatives (5, N), at v = tangents to the right and down, small rotation [rad]."""
        along = np.array((v[0], v[1], 1.0)) @ self._parts  # of the direction of travel
        e, across, down, *_ = rows = along.reshape(6, -1)
        turn = rows[3:]
        g2 = across * across + down * down + 1e-18
        g = np.sqrt(g2)
        residuals = (e + v[2:] @ turn) / g
        J = np.empty((5, len(g)))
        J[:2] = self._aside[:, 0] + v[2:] @ self._turned_aside
        J[2:] = turn
        J /= g
        J[:2] -= residuals / g2 * (across * self._aside[:, 1] + down * self._aside[:, 2])
        return residuals, J


def _rays(pixels: FloatArray, K: FloatArray) -> FloatArray:
    """Rays (N, 3) with z = 1, optical axes, of pixels (N, 2); K has no skew."""
    rays = np.ones((len(pixels), 3))
    rays[:, :2] = (pixels - K[:2, 2]) / K.diagonal()[:2]
    return rays


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Cross products (3, N) of vectors (3, N) or (3,); numpy's own takes three times as long on so few."""
    return np.array((a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]))
