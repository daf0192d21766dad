"""Recorded drives with their truth, for the benchmarks that look closer than t_rel and r_rel do."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.drives.bag_drive import bag_rig, bag_truth
from atvio_ros.errors import BagError
from atvio_ros.evaluation.alignment import to_camera
from atvio_ros.evaluation.consistency import MatchedDrive, match_drive
from atvio_ros.evaluation.run import run_bag
from atvio_ros.geometry import rotation_angle, transform
from atvio_ros.odometry.engine import MotionEstimator
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.odometry.pipeline import Estimator, Odometry, assemble
from atvio_ros.odometry.sight import Sight
from atvio_ros.odometry.travel import TravelTracker
from atvio_ros.rig.rig import RigPart
from atvio_ros.types import FloatArray, FramePair, ImuSample, Trajectory


@dataclass(frozen=True)
class PairedDrive:
    """Frame pairs as an estimator takes them, and the true motion of the images' frame over each."""

    pairs: list[FramePair]  # N
    motions: FloatArray  # (N, 4, 4) pose of the current camera in the previous one

    @property
    def speed(self) -> FloatArray:
        """(N,) m/s."""
        return np.asarray(np.linalg.norm(self.motions[:, :3, 3], axis=1) / self.interval_s)

    @property
    def turn_rate(self) -> FloatArray:
        """(N,) deg/s about any axis."""
        return np.asarray(np.rad2deg(rotation_angle(self.motions[:, :3, :3])) / self.interval_s)

    @property
    def interval_s(self) -> FloatArray:
        """(N,) between the images of each pair [s]."""
        return np.array([pair.interval_s for pair in self.pairs])


def drive_odometry(bag: Path, estimator: Estimator, given: RigPart | None = None) -> MatchedDrive:
    """The whole odometry of a bag beside its truth, as the node would publish it. Raises BagError, TrajectoryError,
    CalibrationError.
    """
    with BagReader(bag) as reader:
        done = run_bag(reader, estimator, bag_rig(reader, given).rig)
        return match_drive(done.trajectory, done.estimates, _truth(reader))


def paired_drive(bag: Path, estimator: Estimator, given: RigPart | None = None) -> tuple[PairedDrive, MotionEstimator]:
    """The frame pairs of a bag for this estimator, before it has seen them, and itself on the robot of the bag.

    Raises BagError, CalibrationError.
    """
    with BagReader(bag) as reader:
        rig = bag_rig(reader, given).rig
        odometry = assemble(estimator, rig)
        pairs = _pairs(reader, odometry)
        sight = odometry.intake if isinstance(odometry.intake, Sight) else None
        T_base_image = rig.T_base_camera
        if sight is not None:
            tracker = TravelTracker(sight)
            pairs = [dataclasses.replace(pair, geometry=tracker.update(pair)) for pair in pairs]
            T_base_image = T_base_image @ transform(sight.R_camera_stored, np.zeros(3))
        camera = to_camera(_truth(reader), T_base_image)
    place = {int(stamp_ns): pose for stamp_ns, pose in zip(camera.stamps_ns, camera.poses, strict=True)}
    known = [pair for pair in pairs if pair.previous.stamp_ns in place and pair.current.stamp_ns in place]
    motions = [np.linalg.solve(place[pair.previous.stamp_ns], place[pair.current.stamp_ns]) for pair in known]
    return PairedDrive(known, np.stack(motions)), estimator.on_robot(rig, sight)


def _pairs(reader: BagReader, odometry: Odometry) -> list[FramePair]:
    pairer: FramePairer = odometry.pairer
    pairs = []
    for event in reader.events():
        if isinstance(event, ImuSample):
            pairer.add_imu(event)
        elif isinstance(event, BagImage):
            pairer.add_frame(odometry.intake.frame(event.stamp_ns, event.image))
        while (pair := pairer.poll()) is not None:
            pairs.append(pair)
    return pairs + pairer.finish()


def _truth(reader: BagReader) -> Trajectory:
    truth = bag_truth(reader)
    if truth is None:
        raise BagError(f'{reader.path} has no ground truth.')
    return truth
