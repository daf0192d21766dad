"""The frame pairs of a prepared sequence, made by the node's own pairing: what it would refuse is not trained on."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.sequence_store import PreparedSequence
from atvio_ros.errors import DatasetError
from atvio_ros.geometry import encode_motion, inverse
from atvio_ros.network.config import AtvioConfig
from atvio_ros.odometry.frame_pairs import FramePairer, skip_shared_frame
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.preprocessing import IMU_SAMPLES, resample_imu
from atvio_ros.training.prepared_form import form_of
from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, FramePair, ImuSample

_NO_IMAGE = np.zeros((0, 0, 1), dtype=np.uint8)  # pairing looks at stamps alone


@dataclass(frozen=True)
class Pairs:
    """Frame pairs (i, i + skip) of a sequence of N images; rows without a usable pair hold NaN."""

    usable: NDArray[np.bool_]  # (N,) whether pair i has IMU readings and ground truth and touches no excluded image
    imu: NDArray[np.float32]  # (N, 11, 6) wx wy wz [rad/s], ax ay az [m/s^2], in base_link's axes
    motion: NDArray[np.float32]  # (N, 6) geometry.encode_motion of T_previous_current of the camera
    interval_s: NDArray[np.float32]  # (N,)


class SequencePairs:
    """A prepared sequence with the pairs of it, for each step between frames from 1 to `largest_skip`.

    They are as the network of `config` takes them in the odometry: IMU readings without lag and bias of the robot
    where it undoes lags, motions as of a camera at the network's height where it looks through a level view. Raises
    DatasetError where the images were prepared for another view.
    """

    def __init__(self, sequence: PreparedSequence, config: AtvioConfig | None = None, largest_skip: int = 1) -> None:
        config = config or AtvioConfig()
        self.sequence = sequence
        self.name = sequence.meta.name
        self._unit = _unit(sequence, config)
        released = _released(sequence, config)
        clean = _clean_frames(sequence)
        self._by_skip = {skip: self._pairs(released, clean, skip) for skip in range(1, largest_skip + 1)}

    def __len__(self) -> int:
        return len(self.sequence)

    def __getitem__(self, skip: int) -> Pairs:
        return self._by_skip[skip]

    def windows(self, pairs: int, skip: int, within: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """(N,) whether a window of so many pairs can begin at image i with all its images in `within` (N,)."""
        possible = np.ones(len(self), dtype=bool)
        linked = self[1].usable & within & np.roll(within, -1)  # also for larger skips: what lies between must be good
        for k in range(pairs * skip):
            possible &= np.roll(linked, -k)
        for k in range(pairs):
            possible &= np.roll(self[skip].usable, -k * skip)
        possible[max(0, len(self) - pairs * skip) :] = False
        return possible

    def _pairs(self, released: dict[int, FramePair], clean: NDArray[np.bool_], skip: int) -> Pairs:
        count = len(self)
        usable = np.zeros(count, dtype=bool)
        imu = np.full((count, IMU_SAMPLES, 6), np.nan, dtype=np.float32)
        for i in range(count - skip):
            steps = [released.get(k) for k in range(i, i + skip)]
            whole = [step for step in steps if step is not None]
            if len(whole) < skip or not clean[i : i + skip + 1].all():
                continue
            pair = functools.reduce(skip_shared_frame, whole)
            imu[i] = resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns)
            usable[i] = True
        motion = np.full((count, 6), np.nan, dtype=np.float32)
        motion[:-skip][usable[:-skip]] = encode_motion(self._relative(skip)[usable[:-skip]])
        interval_s = np.full(count, np.nan, dtype=np.float32)
        stamps_ns = self.sequence.image_stamps_ns
        interval_s[:-skip] = (stamps_ns[skip:] - stamps_ns[:-skip]) / NANOSECONDS
        return Pairs(usable, imu, motion, interval_s)

    def _relative(self, skip: int) -> FloatArray:
        poses = self.sequence.camera_poses
        relative = np.asarray(inverse(poses[:-skip]) @ poses[skip:])
        relative[:, :3, 3] *= self._unit
        return relative


def _unit(sequence: PreparedSequence, config: AtvioConfig) -> float:
    """What translations are multiplied with for the network."""
    meta = sequence.meta
    if meta.view != config.view:
        raise DatasetError(
            f'{meta.name} was prepared with view {meta.view}, the network takes view {config.view}. Prepare it with '
            f'`{form_of(config).options}` (`atvio prepare --for FILE` takes it from a model file or a recipe).'
        )
    if config.view == 'none':
        return 1.0
    alike = np.allclose(meta.intrinsics_px, config.view_intrinsics_px, atol=1.0)
    if not alike or abs(meta.view_pitch_deg - config.view_pitch_deg) > 0.05:
        raise DatasetError(
            f'{meta.name} shows what a camera with fx fy cx cy {np.round(meta.intrinsics_px, 1).tolist()} sees, the '
            f"way {meta.view_pitch_deg:g} deg below its axis: not the network's view. Prepare it with "
            f'`{form_of(config).options}`, or, for a network that begins from no model file, set '
            'model.view_intrinsics_px and model.view_pitch_deg to these.'
        )
    if meta.rig.camera_height is None:
        raise DatasetError(f'{meta.name} says no camera height, in which motions are measured. Prepare it again.')
    return config.view_height_m / meta.rig.camera_height


def imu_lags(sequence: PreparedSequence, config: AtvioConfig) -> tuple[float, float, FloatArray]:
    """Lags of gyro and accelerometer [s] and bias of the gyro (3,) [rad/s], in imu_link, that are undone in training.

    Those of the robot that recorded the sequence. Of older sequences, which do not tell, the lag that was fitted.
    """
    rig = sequence.meta.rig
    if not config.undoes_lags:
        return 0.0, 0.0, np.zeros(3)
    if rig.gyro_lag is None:
        return config.gyro_lag_s, 0.0, np.zeros(3)
    return rig.gyro_lag, rig.accelerometer_lag or 0.0, np.array(rig.gyro_bias or (0.0, 0.0, 0.0))


def _released(sequence: PreparedSequence, config: AtvioConfig) -> dict[int, FramePair]:
    """{index of the first image: pair} of all pairs that the node would release for this drive."""
    gyro_lag_s, accelerometer_lag_s, gyro_bias = imu_lags(sequence, config)
    buffer = ImuBuffer(
        np.array(sequence.meta.R_base_imu),
        round((sequence.meta.rig.imu_time_offset or 0.0) * NANOSECONDS),
        round(gyro_lag_s * NANOSECONDS),
        accelerometer_lag_ns=round(accelerometer_lag_s * NANOSECONDS),
        gyro_bias=gyro_bias,
    )
    pairer = FramePairer(buffer)
    index = {int(stamp_ns): i for i, stamp_ns in enumerate(sequence.image_stamps_ns)}
    found: list[FramePair] = []
    next_reading = 0
    for stamp_ns in index:
        reached = int(np.searchsorted(sequence.imu_stamps_ns, stamp_ns, side='right'))
        for k in range(next_reading, reached):
            _add_reading(pairer, sequence, k)
        next_reading = max(next_reading, reached)
        pairer.add_frame(CameraFrame(stamp_ns, _NO_IMAGE))
        while (pair := pairer.poll()) is not None:
            found.append(pair)
    for k in range(next_reading, len(sequence.imu)):
        _add_reading(pairer, sequence, k)
    while (pair := pairer.poll()) is not None:
        found.append(pair)
    found += pairer.finish()
    return {index[pair.previous.stamp_ns]: pair for pair in found}


def _add_reading(pairer: FramePairer, sequence: PreparedSequence, k: int) -> None:
    values = sequence.imu[k]
    pairer.add_imu(ImuSample(int(sequence.imu_stamps_ns[k]), values[:3], values[3:]))


def _clean_frames(sequence: PreparedSequence) -> NDArray[np.bool_]:
    """(N,) images with ground truth and outside the excluded stretches."""
    clean = np.asarray(np.isfinite(sequence.camera_poses).all(axis=(1, 2)))
    for first, last in sequence.meta.excluded:
        clean[first : last + 1] = False
    return clean
