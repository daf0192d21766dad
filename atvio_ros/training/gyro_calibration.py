"""The gyro's lag, mounting and bias, fitted to the training data, in the network's configuration."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atvio_ros.calibration.gyro_fit import fit_gyro
from atvio_ros.calibration.gyro_recording import GyroRecording, RecordedGyro, RotationPairs
from atvio_ros.geometry import inverse, rotation_vectors
from atvio_ros.network.config import AtvioConfig, Matrix3
from atvio_ros.training.dataset import Split
from atvio_ros.training.pairs import SequencePairs
from atvio_ros.types import NANOSECONDS, FloatArray

_LEAST_TURNING = np.radians(1.0)  # rad/s, root mean square: less does not tell lag and mounting
_LEAST_TIPPING = np.radians(0.3)  # rad/s, beside the axis that is turned about most


def calibrated(config: AtvioConfig, split: Split) -> tuple[AtvioConfig, tuple[str, ...]]:
    """The configuration with the gyro fitted to the training parts of the data, and what these do not tell of it.

    What they do not tell stays as the configuration has it.
    """
    recordings = gyro_recordings(split)
    fit = fit_gyro(recordings, np.array(config.R_camera_imu))
    about = _turning(recordings)
    if about[2] < _LEAST_TURNING:
        note = (
            f'The drives turn by {np.degrees(about[2]):.2f} deg/s (root mean square), too little to tell lag and '
            'mounting of the gyro: both stay as they were, only its bias is fitted. Record turns.'
        )
        bias_only = dataclasses.replace(
            config, gyro_bias=tuple(fit.bias.tolist()), residual_std=tuple(fit.residual_std.tolist())
        )
        return bias_only, (note,)
    notes: tuple[str, ...] = ()
    if float(np.hypot(about[0], about[1])) < _LEAST_TIPPING:
        notes = (
            'The drives turn about one axis only: how the gyro is turned about that axis is not observed, and stays '
            'near what it was.',
        )
    R: Matrix3 = tuple(tuple(row) for row in fit.R_camera_imu.tolist())  # type: ignore[assignment]
    fitted = dataclasses.replace(
        config,
        gyro_lag_s=fit.lag_s,
        R_camera_imu=R,
        gyro_bias=tuple(fit.bias.tolist()),
        residual_std=tuple(fit.residual_std.tolist()),
    )
    return fitted, notes


def _turning(recordings: Sequence[GyroRecording]) -> FloatArray:
    """(3,) root mean square rates [rad/s] about the principal axes of the true rotation, increasing."""
    rates = []
    for recording in recordings:
        start_s, end_s = recording.intervals()
        rates.append(recording.pairs.rotation / np.maximum(end_s - start_s, 1e-6)[:, None])
    all_rates = np.concatenate(rates)
    return np.asarray(np.sqrt(np.maximum(np.linalg.eigvalsh(all_rates.T @ all_rates / max(1, len(all_rates))), 0.0)))


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
