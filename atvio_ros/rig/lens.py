"""Lens models: normalised image coordinates, undistorted and as the lens bends them. OpenCV does the arithmetic.

Normalised coordinates are (X / Z, Y / Z) of a point in optical axes. All arrays are (N, 2) in float64.
"""

from __future__ import annotations

import difflib

import cv2
import numpy as np

from atvio_ros.errors import CalibrationError
from atvio_ros.types import FloatArray

# Each model of sensor_msgs/CameraInfo, and how many coefficients it may have. Five of plumb_bob may lack k3; OpenCV's
# long forms of rational_polynomial add a thin prism and a tilted sensor.
COEFFICIENTS: dict[str, tuple[int, ...]] = {
    'none': (0,),
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
LARGEST_COEFFICIENT = 1e5  # those of a fit that has gone wrong are thousands
_OTHER_NAMES = {'radtan': 'plumb_bob', 'fisheye': 'equidistant', 'kannala_brandt': 'equidistant', 'pinhole': 'none'}
_STEEPEST = np.radians(89.5)  # from the axis; a pinhole view cannot hold more
_NEWTON_STEPS = 8
_EXACT = 1e-8
_NEAR_ENOUGH = 1e-5  # of the focal length: 0.01 px at 1000 px


def checked_distortion(model: str, coefficients: FloatArray, where: str) -> tuple[str, FloatArray]:
    """The model's name and its coefficients; zeros make it `none`. Raises CalibrationError on others than OpenCV's."""
    d = np.asarray(coefficients, dtype=np.float64).ravel()
    name = model or 'none'
    if name not in COEFFICIENTS:
        close = difflib.get_close_matches(name, COEFFICIENTS, n=1)
        meant = _OTHER_NAMES.get(name.lower(), close[0] if close else '')
        raise CalibrationError(
            f'{where}: distortion_model {name!r} is not known, only {", ".join(COEFFICIENTS)}. '
            + (f'Did you mean {meant}?' if meant else 'Calibrate the camera with one of them.')
        )
    if not np.isfinite(d).all():
        raise CalibrationError(f'{where}: d holds NaN or infinity. Calibrate the camera again.')
    if d.size and np.abs(d).max() > LARGEST_COEFFICIENT:
        raise CalibrationError(
            f'{where}: d holds {np.abs(d).max():.3g}; coefficients of a lens are below {LARGEST_COEFFICIENT:.0e}. '
            'Calibrate the camera again.'
        )
    if name != 'equidistant' and not d.any():  # zeros of an equidistant lens still bend
        return 'none', np.zeros(0)
    if len(d) not in COEFFICIENTS[name]:
        counts = ' or '.join(map(str, COEFFICIENTS[name]))
        raise CalibrationError(f'{where}: {name} takes {counts} coefficients in d, not {len(d)}. Copy them all.')
    return name, d


def distort(xy: FloatArray, model: str, d: FloatArray) -> FloatArray:
    """What the lens makes of undistorted coordinates. Beyond `steepest_angle` the answer means nothing."""
    if model == 'none' or not len(xy):
        return np.array(xy)
    points = np.column_stack((xy, np.ones(len(xy)))).reshape(-1, 1, 3)
    zero = np.zeros(3)
    if model == 'equidistant':
        bent, _ = cv2.fisheye.projectPoints(points, zero, zero, np.eye(3), d)
    else:
        bent, _ = cv2.projectPoints(points, zero, zero, np.eye(3), d)
    return np.asarray(bent, dtype=np.float64).reshape(-1, 2)


def undistort(bent: FloatArray, model: str, d: FloatArray, steepest: float) -> FloatArray:
    """Inverse of `distort`; NaN where no ray within `steepest` [rad] of the axis lands there.

    OpenCV stops after a few rounds, some tenths of a pixel short at the rim of a wide lens. Newton's method goes on.
    """
    if model == 'none' or not len(bent):
        return np.array(bent)
    if model == 'equidistant':
        start = cv2.fisheye.undistortPoints(bent.reshape(-1, 1, 2), np.eye(3), d)
    else:
        start = cv2.undistortPoints(bent.reshape(-1, 1, 2), np.eye(3), d)
    xy = _within(np.asarray(start, dtype=np.float64).reshape(-1, 2), bent, steepest)
    left = np.arange(len(xy))  # those that are not exact yet
    for _ in range(_NEWTON_STEPS):
        error = bent[left] - distort(xy[left], model, d)
        off = np.abs(error).max(axis=1) > _EXACT
        left, error = left[off], error[off]
        if not len(left):
            break
        xy[left] = _within(xy[left] + _solved(_slope(xy[left], model, d), error), xy[left], steepest)
    missed = np.abs(bent - distort(xy, model, d)).max(axis=1) > _NEAR_ENOUGH
    xy[missed] = np.nan
    return xy


def steepest_angle(model: str, d: FloatArray) -> float:
    """Angle from the optical axis [rad] up to which the lens model keeps the order of rays.

    A polynomial fitted inside an image turns back further out, and would put what is beside the robot into its view.
    """
    angles = np.linspace(0.0, _STEEPEST, 3000)
    if model == 'none':
        return float(_STEEPEST)
    if model == 'equidistant':
        bent = angles * np.polynomial.polynomial.polyval(angles**2, np.concatenate(([1.0], d)))
    else:
        radius = np.tan(angles)
        k = np.zeros(8)
        k[: min(len(d), 8)] = d[:8]
        square = radius**2
        numerator = 1 + square * (k[0] + square * (k[1] + square * k[4]))
        denominator = 1 + square * (k[5] + square * (k[6] + square * k[7]))
        with np.errstate(divide='ignore', invalid='ignore'):
            bent = radius * numerator / denominator
    falls = np.flatnonzero(~(np.diff(bent) > 0))
    return float(angles[falls[0]]) if len(falls) else float(_STEEPEST)


def _within(xy: FloatArray, otherwise: FloatArray, steepest: float) -> FloatArray:
    """Coordinates drawn back to `steepest` from the axis; those that are not finite replaced."""
    xy = np.where(np.isfinite(xy).all(axis=1, keepdims=True), xy, otherwise)
    radius = np.linalg.norm(xy, axis=1, keepdims=True)
    return np.asarray(xy * np.minimum(1.0, np.tan(steepest) / np.maximum(radius, 1e-12)))


def _slope(xy: FloatArray, model: str, d: FloatArray) -> FloatArray:
    """Derivative (N, 2, 2) of `distort`, by central differences."""
    step = 1e-6 * (1 + np.abs(xy))
    columns = []
    for axis in range(2):
        shift = np.zeros_like(xy)
        shift[:, axis] = step[:, axis]
        difference = distort(xy + shift, model, d) - distort(xy - shift, model, d)
        columns.append(difference / (2 * step[:, axis : axis + 1]))
    return np.stack(columns, axis=-1)


def _solved(slope: FloatArray, error: FloatArray) -> FloatArray:
    """Steps (N, 2) with slope @ step = error; none where the slope is singular."""
    determinant = slope[:, 0, 0] * slope[:, 1, 1] - slope[:, 0, 1] * slope[:, 1, 0]
    regular = np.abs(determinant) > 1e-12
    safe = np.where(regular, determinant, 1.0)
    x = (slope[:, 1, 1] * error[:, 0] - slope[:, 0, 1] * error[:, 1]) / safe
    y = (slope[:, 0, 0] * error[:, 1] - slope[:, 1, 0] * error[:, 0]) / safe
    return np.where(regular[:, None], np.column_stack((x, y)), 0.0)
