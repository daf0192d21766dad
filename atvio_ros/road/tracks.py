"""Corners followed from one grey image to the next, with the point that is measured and how well it is.

Lucas-Kanade moves a window by one shift. Where the window's content moves by different amounts (the road, an edge
before something farther away), the shift is that of the point where the gradients balance, not of the window's
middle; and along a weak gradient the shift is that of anything else in the window. Both are told from the gradients.
Left out, they turn the direction of travel by a tenth of a degree, always to the same side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.types import FloatArray, ImageArray

_Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class TrackSettings:
    """How corners are chosen and followed. The defaults fit images of 416x128 to 640x200 px."""

    most_corners: int = 200
    quality: float = 0.003  # of the best corner
    spacing_px: int = 5
    window_px: int = 9
    levels: int = 3  # of the pyramid above the image itself
    iterations: int = 15
    converged_px: float = 0.005
    return_px: float = 0.25  # a corner must come back to where it started as near as this
    least_sigma_px: float = 0.03
    misfit: float = 2.0  # true scatter over that of white noise with the window's difference of grey values, measured
    most_sigma_px: float = 0.4  # along the weaker gradient's direction; beyond, a corner is an edge and left out


@dataclass(frozen=True)
class Tracks:
    """The same points in two images. Integer coordinates are pixel centres."""

    previous_px: FloatArray  # (N, 2)
    current_px: FloatArray  # (N, 2)
    covariance_px2: FloatArray  # (N, 2, 2) of the shift between them

    def __len__(self) -> int:
        return len(self.previous_px)


_NONE = Tracks(np.empty((0, 2)), np.empty((0, 2)), np.empty((0, 2, 2)))
_DEFAULT = TrackSettings()


def track_corners(
    previous: ImageArray,
    current: ImageArray,
    K: FloatArray,
    R_previous_current: FloatArray,
    settings: TrackSettings = _DEFAULT,
    mask: ImageArray | None = None,
) -> Tracks:
    """Corners of `previous` (H, W) grey, found again in `current` (H, W); K (3, 3) [px] is that of both.

    R_previous_current (3, 3), optical axes, is the gyro's: it starts the search at where a far corner must be, so
    that only its parallax is left to be found. Corners that do not come back are left out; none may be left. Corners
    are taken where `mask` (H, W) uint8 is not 0: what is fixed to the camera (bonnet, edge of the view) must be 0.
    """
    corners = _corners(previous, settings, mask)
    if len(corners) == 0:
        return _NONE
    start = _turned(corners[:, 0], K, R_previous_current)
    height, width = current.shape
    u, v = start.T
    inside = (u > 1.0) & (v > 1.0) & (u < width - 2.0) & (v < height - 2.0)
    if not inside.any():
        return _NONE
    corners, start = corners[inside], start[inside][:, None]
    there, found, difference = _follow(previous, current, corners, start, settings.levels, settings)
    corners, there, difference = corners[found], there[found], difference[found]
    if len(corners) == 0:
        return _NONE
    back, found, _ = _follow(current, previous, there, corners, 0, settings)  # ends where it starts, if all is well
    good = found & (np.abs(back - corners)[:, 0].max(axis=1) < settings.return_px)
    if not good.any():
        return _NONE
    corners, there, difference = corners[good, 0], there[good, 0], difference[good]
    centre, covariance = _measured_points(previous, corners, settings.window_px)
    covariance = covariance * ((settings.misfit * difference) ** 2)[:, None, None]
    covariance = covariance + np.eye(2) * settings.least_sigma_px**2
    clear = covariance[:, 0, 0] + covariance[:, 1, 1] < settings.most_sigma_px**2
    centre = centre[clear]
    return Tracks(corners[clear] + centre, there[clear] + centre, covariance[clear])


def _corners(image: ImageArray, settings: TrackSettings, mask: ImageArray | None) -> _Float32Array:
    """Corners of Shi and Tomasi (N, 1, 2) [px], whole pixels, the best first.

    They are chosen in an image of half the size: a quarter of the time, and what is a corner there is no noise.
    """
    size = image.shape[1] // 2, image.shape[0] // 2
    even = slice(2 * size[1]), slice(2 * size[0])  # OpenCV halves far faster than it scales by anything near a half
    half = cv2.resize(image[even], size, interpolation=cv2.INTER_AREA)
    allowed = None if mask is None else cv2.resize(mask[even], size, interpolation=cv2.INTER_NEAREST)
    found = cv2.goodFeaturesToTrack(
        half, settings.most_corners, settings.quality, settings.spacing_px / 2, mask=allowed
    )
    corners = np.empty((0, 1, 2)) if found is None else np.asarray(found, np.float64)
    return np.asarray(np.round((corners + 0.5) * 2.0 - 0.5 - 1e-3), np.float32)


def _follow(
    a: ImageArray, b: ImageArray, corners: _Float32Array, start: _Float32Array, levels: int, settings: TrackSettings
) -> tuple[_Float32Array, NDArray[np.bool_], FloatArray]:
    """Where corners (N, 1, 2) of `a` are in `b`, which were found (N,), mean difference of grey values there (N,)."""
    there, found, difference = cv2.calcOpticalFlowPyrLK(
        a,
        b,
        corners,
        start.copy(),
        winSize=(settings.window_px, settings.window_px),
        maxLevel=levels,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, settings.iterations, settings.converged_px),
        flags=cv2.OPTFLOW_USE_INITIAL_FLOW,
    )
    ok = (found[:, 0] == 1) & np.isfinite(there)[:, 0].all(axis=1)
    return np.asarray(there, np.float32), ok, np.where(ok, difference[:, 0], 0.0).astype(np.float64)


def _measured_points(image: ImageArray, corners: _Float32Array, window_px: int) -> tuple[FloatArray, FloatArray]:
    """Offset (N, 2) [px] of the point whose motion the shift of a corner's window is, and inverse tensor (N, 2, 2).

    With gradients g at offsets o of the window and flow u0 + k o there (all things at one depth, seen from ahead),
    the shift that fits best is u0 + k c, c = (sum g g')^-1 sum g g' o.
    """
    half = window_px // 2
    padded = cv2.copyMakeBorder(image, half + 1, half + 1, half + 1, half + 1, cv2.BORDER_REFLECT_101)
    steps = np.arange(-half, half + 1)
    middle = np.round(corners).astype(np.intp) + half + 1
    window = (steps[:, None] * padded.shape[1] + steps).ravel()
    places = (middle[:, 1] * padded.shape[1] + middle[:, 0])[:, None] + window
    gx, gy = (  # (N, pixels of the window)
        cv2.Scharr(padded, cv2.CV_16S, *axis).take(places) * np.float32(1 / 32) for axis in ((1, 0), (0, 1))
    )
    flat = np.stack((np.ones(window_px**2), np.tile(steps, window_px), np.repeat(steps, window_px)), axis=1)
    products = np.concatenate((gx * gx, gx * gy, gy * gy))
    moments = (products @ flat.astype(np.float32)).astype(np.float64).reshape(3, -1, 3)
    (xx, xx_x, _), (xy, xy_x, xy_y), (yy, _, yy_y) = moments.transpose(0, 2, 1)
    determinant = xx * yy - xy * xy + 1e-3 * (xx + yy) + 1e-9
    right, down = xx_x + xy_y, xy_x + yy_y
    centre = np.stack((yy * right - xy * down, xx * down - xy * right), axis=1) / determinant[:, None]
    inverse = np.stack((yy, -xy, -xy, xx), axis=1).reshape(-1, 2, 2) / determinant[:, None, None]
    return np.clip(centre, -half, half), inverse


def _turned(corners_px: _Float32Array, K: FloatArray, R_previous_current: FloatArray) -> _Float32Array:
    """Where corners (N, 2) without parallax appear (N, 2) after the camera has turned."""
    H = K @ R_previous_current.T @ np.linalg.inv(K)
    turned = corners_px @ H[:, :2].T + H[:, 2]
    depth = turned[:, 2:]
    shown = turned[:, :2] / np.where(depth > 1e-3, depth, np.inf)
    shown[depth[:, 0] <= 1e-3] = -1.0  # behind the camera now: outside the image
    return np.asarray(shown, dtype=np.float32)
