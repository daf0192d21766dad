"""Fits the gyro's lag, mounting and bias to ground truth: what rotation as a residual on the gyro stands on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from atvio_ros.geometry import inverse, nearest_rotation
from atvio_ros.network.config import AtvioConfig, Matrix3
from atvio_ros.training.dataset import Split
from atvio_ros.training.pairs import SequencePairs
from atvio_ros.types import NANOSECONDS, FloatArray

LAGS_S = np.arange(-0.02, 0.1201, 0.005)
_ITERATIONS = 5
_KEPT = 0.98  # of the pairs, those that fit best: ground truth has errors too
_PRIOR = 0.01  # (0.001 rad of noise a pair / 0.01 rad of doubt about the nominal mounting)^2
_LEAST_RESIDUAL = 2e-4  # rad


@dataclass(frozen=True)
class GyroFit:
    """Rotation of the camera over a pair = R_camera_imu (integral of the gyro, lag_s later, - bias * interval)."""

    lag_s: float
    R_camera_imu: FloatArray  # (3, 3)
    bias: FloatArray  # (3,) rad/s
    residual_std: FloatArray  # (3,) rad, about the camera's axes
    rms: float  # rad, about the camera's y axis, of the pairs kept


def calibrated(config: AtvioConfig, split: Split) -> AtvioConfig:
    """The configuration with the gyro fitted to the training parts of the data."""
    fit = fit_gyro(split, np.array(config.R_camera_imu))
    R: Matrix3 = tuple(tuple(row) for row in fit.R_camera_imu.tolist())  # type: ignore[assignment]
    return dataclasses.replace(
        config,
        gyro_lag_s=fit.lag_s,
        R_camera_imu=R,
        gyro_bias=tuple(fit.bias.tolist()),
        residual_std=tuple(fit.residual_std.tolist()),
    )


def fit_gyro(split: Split, R_nominal: FloatArray) -> GyroFit:
    """The best fit over all lags, to 1 ms; `R_nominal` (3, 3) is believed where the motion does not tell.

    The lag is that of the heading, which bends a trajectory for good: KITTI's gyro lags by some ms less about the axes
    that the car only shakes about.
    """
    coarse = min((_fit_at(split, R_nominal, lag_s) for lag_s in LAGS_S), key=lambda fit: fit.rms)
    fine = coarse.lag_s + np.arange(-0.004, 0.0041, 0.001)
    return min((_fit_at(split, R_nominal, lag_s) for lag_s in fine), key=lambda fit: fit.rms)


def _fit_at(split: Split, R_nominal: FloatArray, lag_s: float) -> GyroFit:
    parts = [
        _rotations(sequence, sequence.windows(1, 1, within), lag_s)
        for sequence, within in zip(split.sequences, split.training, strict=True)
    ]
    camera, imu, interval_s = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    R, bias = R_nominal, np.zeros(3)
    kept = np.ones(len(camera), dtype=bool)
    for _ in range(_ITERATIONS):
        unbiased = imu - bias * interval_s[:, None]
        R = nearest_rotation(camera[kept].T @ unbiased[kept] + _PRIOR * R_nominal)  # Kabsch, with a prior
        bias = np.median((imu - camera @ R)[kept] / interval_s[kept, None], axis=0)
        residual = camera - (imu - bias * interval_s[:, None]) @ R.T
        size = np.linalg.norm(residual, axis=1)
        kept = size <= np.quantile(size, _KEPT)
    return GyroFit(
        lag_s=round(float(lag_s), 6),
        R_camera_imu=R,
        bias=bias,
        residual_std=np.maximum(residual[kept].std(axis=0), _LEAST_RESIDUAL),
        rms=float(np.sqrt(np.mean(residual[kept, 1] ** 2))),
    )


def _rotations(
    sequence: SequencePairs, chosen: NDArray[np.bool_], lag_s: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rotation vectors (K, 3) of the chosen pairs: of the camera, and the gyro's integral; intervals (K,) [s].

    Over a tenth of a second the integral of the rate is the rotation vector but for a part in a thousand.
    """
    prepared = sequence.sequence
    first = np.flatnonzero(chosen)
    relative = inverse(prepared.camera_poses[first]) @ prepared.camera_poses[first + 1]
    start_ns = prepared.imu_stamps_ns[0]
    imu_s = (prepared.imu_stamps_ns - start_ns) / NANOSECONDS
    image_s = (prepared.image_stamps_ns - start_ns) / NANOSECONDS + lag_s
    gyro = prepared.imu[:, :3] @ np.array(prepared.meta.R_base_imu).T
    steps = 0.5 * (gyro[1:] + gyro[:-1]) * np.diff(imu_s)[:, None]
    angle = np.concatenate((np.zeros((1, 3)), np.cumsum(steps, axis=0)))
    at_images = np.stack([np.interp(image_s, imu_s, axis) for axis in angle.T], axis=1)
    camera = Rotation.from_matrix(relative[:, :3, :3]).as_rotvec()
    return camera, at_images[first + 1] - at_images[first], np.diff(image_s)[first]
