"""The gyro's lag, mounting and bias, fitted to the training data, in the network's configuration."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from atvio_ros.calibration.gyro_fit import fit_gyro
from atvio_ros.calibration.gyro_recording import GyroRecording, RecordedGyro, RotationPairs
from atvio_ros.geometry import inverse, rotation_vectors
from atvio_ros.network.config import AtvioConfig, Matrix3
from atvio_ros.training.dataset import Split
from atvio_ros.training.pairs import SequencePairs
from atvio_ros.types import NANOSECONDS


def calibrated(config: AtvioConfig, split: Split) -> AtvioConfig:
    """The configuration with the gyro fitted to the training parts of the data."""
    fit = fit_gyro(gyro_recordings(split), np.array(config.R_camera_imu))
    R: Matrix3 = tuple(tuple(row) for row in fit.R_camera_imu.tolist())  # type: ignore[assignment]
    return dataclasses.replace(
        config,
        gyro_lag_s=fit.lag_s,
        R_camera_imu=R,
        gyro_bias=tuple(fit.bias.tolist()),
        residual_std=tuple(fit.residual_std.tolist()),
    )


def gyro_recordings(split: Split) -> list[GyroRecording]:
    """The frame pairs of each sequence's training part and its gyro: rotations of the camera, gyro in base_link.

    Lag and bias that a sequence's rig tells are undone, so that a fit finds what is left of them.
    """
    return [
        _recording(sequence, sequence.windows(1, 1, within))
        for sequence, within in zip(split.sequences, split.training, strict=True)
    ]


def _recording(sequence: SequencePairs, chosen: NDArray[np.bool_]) -> GyroRecording:
    prepared = sequence.sequence
    first = np.flatnonzero(chosen)
    relative = inverse(prepared.camera_poses[first]) @ prepared.camera_poses[first + 1]
    pairs = RotationPairs(
        prepared.image_stamps_ns[first],
        prepared.image_stamps_ns[first + 1],
        rotation_vectors(relative[:, :3, :3]),
    )
    rig = prepared.meta.rig
    gyro = (prepared.imu[:, :3] - np.array(rig.gyro_bias or (0.0, 0.0, 0.0))) @ np.array(prepared.meta.R_base_imu).T
    late_ns = round(((rig.gyro_lag or 0.0) - (rig.imu_time_offset or 0.0)) * NANOSECONDS)
    return GyroRecording(pairs, RecordedGyro(prepared.imu_stamps_ns - late_ns, gyro))
