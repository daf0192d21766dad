"""Means over a drive with their standard errors: the direction of travel, and the camera's height by true distances."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atvio_ros.calibration.jackknife import PARTS, jackknife
from atvio_ros.errors import CalibrationError
from atvio_ros.rig.rig import DirectionOfTravel
from atvio_ros.types import FloatArray

LEAST_PAIRS = 50
_TRIMMED = 0.05  # of the values at either end: bumps and bends
_LEAST_SIGMA = 1e-4  # rad: what a jackknife of a short drive says below this is luck


def mean_direction(directions: FloatArray) -> DirectionOfTravel:
    """Mean of directions of travel (N, 3), unit vectors in the camera's optical axes, in the order of the drive.

    Raises CalibrationError with fewer than 50.
    """
    if len(directions) < LEAST_PAIRS:
        raise CalibrationError(
            f'The direction of travel was clear in {len(directions)} frame pairs, {LEAST_PAIRS} are needed. Drive '
            'straight on for some seconds, at more than a camera height a second.'
        )
    pitch = np.arcsin(np.clip(directions[:, 1], -1.0, 1.0))
    yaw = np.arctan2(directions[:, 0], directions[:, 2])

    def means(kept: NDArray[np.bool_]) -> FloatArray:
        return np.array([_trimmed_mean(pitch[kept]), _trimmed_mean(yaw[kept])])

    mean = means(np.ones(len(pitch), dtype=bool))
    sigma = np.maximum(jackknife(means, len(pitch)), _LEAST_SIGMA)
    return DirectionOfTravel(float(mean[0]), float(mean[1]), float(sigma[0]), float(sigma[1]))


def fit_height(true_m: FloatArray, estimated_h: FloatArray) -> tuple[float, float]:
    """Height of the camera [m] and its standard error, from distances (N,) in metres and in camera heights.

    Raises CalibrationError with too few of them.
    """
    if len(true_m) < PARTS or not estimated_h.sum() > 0.0:
        raise CalibrationError('The drive is too short to tell the height of the camera. Drive a hundred metres.')

    def ratio(kept: NDArray[np.bool_]) -> FloatArray:
        return np.array(true_m[kept].sum() / estimated_h[kept].sum())

    return float(ratio(np.ones(len(true_m), dtype=bool))), float(jackknife(ratio, len(true_m)))


def _trimmed_mean(values: FloatArray) -> float:
    low, high = np.quantile(values, (_TRIMMED, 1.0 - _TRIMMED))
    return float(values[(values >= low) & (values <= high)].mean())
