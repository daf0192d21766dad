"""Prepared drives as the network `road` learns from them: frame pairs with the gyro's rotation, the measured direction.

What does not change from step to step is found once, by the odometry's own pairing and direction of travel, and kept
beside the run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atvio_ros.drives.remote import Folder
from atvio_ros.drives.sequence_store import PreparedSequence
from atvio_ros.errors import DatasetError
from atvio_ros.geometry import inverse
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.odometry.pipeline import make_imu_buffer
from atvio_ros.odometry.sight import Sight
from atvio_ros.odometry.travel import TravelTracker
from atvio_ros.rig.combine import combine
from atvio_ros.rig.rig import Rig
from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, FramePair, ImuSample, PairGeometry

_TABLE_VERSION = 5


@dataclass(frozen=True)
class PairTable:
    """The N frame pairs of a drive that the odometry would release, in order; pair k ends at image `newer[k]`."""

    newer: NDArray[np.int64]  # (N,) index of the newer image; the older one is the image before
    continues: NDArray[np.bool_]  # (N,) False: the first pair after a start or a gap
    interval_s: FloatArray  # (N,)
    R_previous_current: FloatArray  # (N, 3, 3), and so on: see PairGeometry
    R_image_level: FloatArray  # (N, 3, 3)
    pitch_sigma: FloatArray  # (N,)
    confident: NDArray[np.bool_]  # (N,)
    lost: NDArray[np.bool_]  # (N,)
    gyro_correction: FloatArray  # (N, 3)
    yaw_sigma: FloatArray  # (N,)
    parallax: FloatArray  # (N,)
    rotation_noise: FloatArray  # (N,)
    R_seen: FloatArray  # (N, 3, 3)
    motion: FloatArray  # (N, 3) true translation in the level axes of the newer image [m]; NaN: not known


class RoadDrive:
    """One prepared sequence with view `stored`. `table` is read from `cache`, or made and kept there."""

    def __init__(self, folder: Folder, cache: Path | None = None) -> None:
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
        self.sequence.let_go()

    def __len__(self) -> int:
        return len(self.table.newer)

    @property
    def height(self) -> float:
        """Camera height [m]."""
        return self.sight.camera_height

    def pairs(self) -> Iterator[FramePair]:
        """The frame pairs that the odometry would release, with their images, which are read once, in order."""
        try:
            yield from self._pairs()
        finally:
            self.sequence.let_go()

    def _pairs(self) -> Iterator[FramePair]:
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

    def pairs_with_geometry(self) -> Iterator[FramePair]:
        """The same with what `table` has of them."""
        table = self.table
        for k, pair in enumerate(self.pairs()):
            geometry = PairGeometry(
                R_previous_current=table.R_previous_current[k],
                R_image_level=table.R_image_level[k],
                pitch_sigma=float(table.pitch_sigma[k]),
                confident=bool(table.confident[k]),
                lost=bool(table.lost[k]),
                gyro_correction=table.gyro_correction[k],
                yaw_sigma=float(table.yaw_sigma[k]),
                parallax=float(table.parallax[k]),
                rotation_noise=float(table.rotation_noise[k]),
                R_seen=table.R_seen[k],
            )
            yield dataclasses.replace(pair, geometry=geometry)


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
        T = inverse(sequence.camera_poses[newer - 1]) @ sequence.camera_poses[newer]
        t_level = geometry.R_image_level.T @ T[:3, :3].T @ T[:3, 3]
        interval_s = (pair.current.stamp_ns - pair.previous.stamp_ns) / NANOSECONDS
        rows.append(
            (
                newer, pair.continues, interval_s, geometry.R_previous_current, geometry.R_image_level,
                geometry.pitch_sigma, geometry.confident, geometry.lost, geometry.gyro_correction, geometry.yaw_sigma,
                geometry.parallax, geometry.rotation_noise, geometry.seen_rotation, t_level,
            )
        )  # fmt: skip
        on_pair()
    if not rows:
        raise DatasetError(f'{sequence.folder} holds no usable frame pair. Leave it out of data.sequences.')
    return PairTable(*(np.array(column) for column in zip(*rows, strict=True)))


def _feed(pairer: FramePairer, sequence: PreparedSequence, first: int, after: int) -> int:
    for k in range(first, after):
        values = sequence.imu[k]
        pairer.add_imu(ImuSample(int(sequence.imu_stamps_ns[k]), values[:3], values[3:]))
    return max(first, after)


def _released(pairer: FramePairer) -> Iterator[FramePair]:
    while (pair := pairer.poll()) is not None:
        yield pair
