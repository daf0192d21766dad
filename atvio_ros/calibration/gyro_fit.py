"""Fits the gyro's lag, mounting and bias to ground truth: what rotation as a residual on the gyro stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atvio_ros.calibration.gyro_recording import GyroRecording
from atvio_ros.geometry import nearest_rotation
from atvio_ros.types import FloatArray

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


def fit_gyro(recordings: Sequence[GyroRecording], R_nominal: FloatArray) -> GyroFit:
    """The best fit over all lags, to 1 ms; `R_nominal` (3, 3) is believed where the motion does not tell.

    Pairs in the camera's optical axes, gyro in those in which the IMU is mounted (base_link). The lag is that of the
    heading, which bends a trajectory for good: KITTI's gyro lags by some ms less about the axes that the car only
    shakes about.
    """
    coarse = min((_fit_at(recordings, R_nominal, lag_s) for lag_s in LAGS_S), key=lambda fit: fit.rms)
    fine = coarse.lag_s + np.arange(-0.004, 0.0041, 0.001)
    return min((_fit_at(recordings, R_nominal, lag_s) for lag_s in fine), key=lambda fit: fit.rms)


def _fit_at(recordings: Sequence[GyroRecording], R_nominal: FloatArray, lag_s: float) -> GyroFit:
    camera, imu, interval_s = (
        np.concatenate(columns) for columns in zip(*(_columns(each, lag_s) for each in recordings), strict=True)
    )
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


def _columns(recording: GyroRecording, lag_s: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rotation vectors (N, 3) of the pairs: as seen, and of the gyro lag_s later; intervals (N,) [s]."""
    start_s, end_s = recording.intervals()
    return recording.pairs.rotation, recording.gyro.turned(start_s + lag_s, end_s + lag_s), end_s - start_s
