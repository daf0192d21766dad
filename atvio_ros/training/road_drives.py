"""Prepared drives as the network `road` learns from them: stored images, the gyro's rotation, the measured direction.

What does not change from step to step is found once, by the odometry's own pairing and direction of travel, and kept
beside the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.sequence_store import PreparedSequence
from atvio_ros.errors import DatasetError
from atvio_ros.geometry import inverse
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.odometry.pipeline import make_imu_buffer
from atvio_ros.odometry.sight import Sight
from atvio_ros.odometry.travel import TravelTracker
from atvio_ros.preprocessing import resample_imu
from atvio_ros.rig.combine import combine
from atvio_ros.rig.rig import Rig
from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, FramePair, ImuSample

_TABLE_VERSION = 2


@dataclass(frozen=True)
class PairTable:
    """The N frame pairs of a drive that the odometry would release, in order; pair k ends at image `newer[k]`."""

    newer: NDArray[np.int64]  # (N,) index of the newer image; the older one is the image before
    continues: NDArray[np.bool_]  # (N,) False: the first pair after a start or a gap
    interval_s: FloatArray  # (N,)
    R_previous_current: FloatArray  # (N, 3, 3) of the gyro, corrected
    R_image_level: FloatArray  # (N, 3, 3) as measured
    pitch_sigma: FloatArray  # (N,) rad, of the direction
    yaw_sigma: FloatArray  # (N,)
    confident: NDArray[np.bool_]  # (N,)
    lost: NDArray[np.bool_]  # (N,)
    imu: FloatArray  # (N, 11, 6) base axes, lags undone
    motion: FloatArray  # (N, 3) true translation in the level axes of the newer image [m]; NaN: not known


class RoadDrive:
    """One prepared sequence with view `stored`. `table` is read from `cache`, or made and kept there."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        self.sequence = PreparedSequence(folder)
        self.name = self.sequence.meta.name
        if self.sequence.meta.view != 'stored':
            raise DatasetError(
                f'{folder} was prepared with view {self.sequence.meta.view}; the network road takes view stored. '
                'Prepare it with --view stored.'
            )
        self.rig = sequence_rig(self.sequence)
        self.sight = _sight(self.rig, self.sequence)
        kept = (
            None
            if cache is None
            else cache / f'{self.name}_{self.sequence.meta.content_sha256[:12]}_{_TABLE_VERSION}.npz'
        )
        if kept is not None and kept.is_file():
            with np.load(kept, allow_pickle=False) as arrays:
                self.table = PairTable(**{name: arrays[name] for name in PairTable.__dataclass_fields__})
        else:
            self.table = _table(self)
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.savez(kept, **vars(self.table))

    def __len__(self) -> int:
        return len(self.table.newer)

    @property
    def height(self) -> float:
        """Camera height [m]."""
        return self.sight.camera_height

    def pairs(self) -> Iterator[FramePair]:
        """The frame pairs that the odometry would release, with their images."""
        sequence = self.sequence
        pairer = FramePairer(make_imu_buffer(self.rig, undo_lags=True))
        reading = 0
        for stamp_ns, image in zip(sequence.image_stamps_ns.tolist(), sequence.images, strict=True):
            reached = int(np.searchsorted(sequence.imu_stamps_ns, stamp_ns, side='right'))
            reading = _feed(pairer, sequence, reading, reached)
            pairer.add_frame(CameraFrame(stamp_ns, np.asarray(image)))
            yield from _released(pairer)
        _feed(pairer, sequence, reading, len(sequence.imu))
        yield from _released(pairer)
        yield from pairer.finish()

    def older(self, k: int, steps: int) -> tuple[int, FloatArray, float]:
        """The image `steps` before the newer one of pair k: index, R_older_newest, time between them [s]."""
        R, span_s = np.eye(3), 0.0
        for step in range(steps):
            R = self.table.R_previous_current[k - step] @ R
            span_s += float(self.table.interval_s[k - step])
        return int(self.table.newer[k]) - steps, R, span_s

    def steps_before(self, k: int) -> int:
        """How many images before the newer one of pair k are connected with it."""
        steps = 1
        while k - steps >= 0 and self.table.continues[k - steps + 1] and steps < len(self.table.newer):
            if self.table.newer[k - steps] != self.table.newer[k] - steps:
                break
            steps += 1
            if steps >= 12:
                break
        return steps

    def way_h(self, k: int, steps: int) -> float:
        """True way [camera heights] along the travel over the last `steps` pairs that end with pair k; NaN: unknown."""
        return float(self.table.motion[k - steps + 1 : k + 1, 2].sum() / self.height)


def sequence_rig(sequence: PreparedSequence) -> Rig:
    """The robot of a prepared sequence."""
    return combine([sequence.meta.rig.part(sequence.meta.name)]).rig


def _sight(rig: Rig, sequence: PreparedSequence) -> Sight:
    sight = Sight(rig)
    camera = rig.needed_camera
    frame = sight.frame(0, np.full((camera.height, camera.width), 100, np.uint8))  # makes what draws stored images
    if frame.image.shape != sequence.images.shape[1:]:
        raise DatasetError(
            f'{sequence.folder}: stored images are {sequence.images.shape[1:]}, its rig makes {frame.image.shape}. '
            'Prepare it again.'
        )
    return sight


def _table(drive: RoadDrive, on_pair: Callable[[], None] = lambda: None) -> PairTable:
    sequence, tracker = drive.sequence, TravelTracker(drive.sight)
    index = {int(stamp_ns): i for i, stamp_ns in enumerate(sequence.image_stamps_ns)}
    rows: list[tuple[object, ...]] = []
    for pair in drive.pairs():
        newer = index[pair.current.stamp_ns]
        if not pair.continues:
            tracker.reset()
        geometry = tracker.update(pair)
        block = resample_imu(pair.imu, pair.previous.stamp_ns, pair.current.stamp_ns)
        block[:, :3] += geometry.gyro_correction
        T = inverse(sequence.camera_poses[newer - 1]) @ sequence.camera_poses[newer]
        t_level = geometry.R_image_level.T @ T[:3, :3].T @ T[:3, 3]
        interval_s = (pair.current.stamp_ns - pair.previous.stamp_ns) / NANOSECONDS
        rows.append(
            (
                newer, pair.continues, interval_s, geometry.R_previous_current, geometry.R_image_level,
                geometry.pitch_sigma, geometry.yaw_sigma, geometry.confident, geometry.lost, block, t_level,
            )
        )  # fmt: skip
        on_pair()
    if not rows:
        raise DatasetError(f'{sequence.folder} holds no usable frame pair.')
    return PairTable(*(np.array(column) for column in zip(*rows, strict=True)))


def _feed(pairer: FramePairer, sequence: PreparedSequence, first: int, after: int) -> int:
    for k in range(first, after):
        values = sequence.imu[k]
        pairer.add_imu(ImuSample(int(sequence.imu_stamps_ns[k]), values[:3], values[3:]))
    return max(first, after)


def _released(pairer: FramePairer) -> Iterator[FramePair]:
    while (pair := pairer.poll()) is not None:
        yield pair
