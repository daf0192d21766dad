"""The lag of a bag's gyro, against its ground truth or against its images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from atvio_ros.bags.reader import BagReader
from atvio_ros.calibration.gyro_lag import GyroLag, estimate_gyro_lag
from atvio_ros.calibration.gyro_recording import GyroRecording, RecordedGyro, RotationPairs
from atvio_ros.calibration.image_rotation import ImageRotation
from atvio_ros.drives.bag_drive import bag_rig
from atvio_ros.geometry import rotation_vectors
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.combine import Combination
from atvio_ros.rig.rig import RigPart
from atvio_ros.types import FloatArray, Trajectory

Reference = Literal['truth', 'images']
_LEAST_INTERVAL_NS = 40_000_000  # a fast ground truth is thinned out: over short intervals its noise is all there is
_MAX_INTERVAL_NS = 500_000_000


@dataclass(frozen=True)
class BagLag:
    """How far a bag's gyro lags, and against what."""

    reference: Reference
    lag: GyroLag
    robot: Combination


def bag_gyro_lag(
    reader: BagReader,
    reference: Reference | None = None,
    search_s: float = 0.5,
    on_progress: Callable[[], None] = lambda: None,
    given: RigPart | None = None,
) -> BagLag:
    """Estimate the lag of the bag's gyro; without `reference` against ground truth where there is one, else images.

    The lag is that of the stamps as they are recorded: no lag and no offset that the robot is said to have is undone.
    What is `given` of the robot wins over the bag. Ground truth is taken to be stamped by the clock of the images, as
    in our bags; images need a calibrated camera. Raises BagError when the bag lacks what is needed, CalibrationError
    without a calibration of the camera, ImuError when the lag is not clear.
    """
    if reference is None:
        reference = 'truth' if reader.topics.ground_truth else 'images'
    robot = bag_rig(reader, given)
    stamps_ns, angular_velocity = gyro_readings(reader)
    gyro = RecordedGyro(stamps_ns, angular_velocity @ robot.rig.R_base_imu.T)
    if reference == 'truth':
        pairs = truth_pairs(reader.ground_truth())
    else:
        pairs = turned(image_pairs(reader, robot.rig.needed_camera, on_progress), robot.rig.R_base_camera)
    return BagLag(reference, estimate_gyro_lag(GyroRecording(pairs, gyro), search_s), robot)


def turned(pairs: RotationPairs, R: FloatArray) -> RotationPairs:
    """The same rotations in other axes: those into which R (3, 3) turns."""
    return RotationPairs(pairs.start_ns, pairs.end_ns, pairs.rotation @ R.T)


def truth_pairs(truth: Trajectory) -> RotationPairs:
    """Rotations between neighbouring true poses, those at most 0.04 s after the last one used left out."""
    kept = [0]
    for i, stamp_ns in enumerate(truth.stamps_ns.tolist()):
        if stamp_ns - truth.stamps_ns[kept[-1]] >= _LEAST_INTERVAL_NS:
            kept.append(i)
    R = truth.poses[kept, :3, :3]
    rotation = rotation_vectors(np.swapaxes(R[:-1], 1, 2) @ R[1:])
    stamps_ns = truth.stamps_ns[kept]
    near = np.diff(stamps_ns) <= _MAX_INTERVAL_NS
    return RotationPairs(stamps_ns[:-1][near], stamps_ns[1:][near], rotation[near])


def image_pairs(
    reader: BagReader, camera: CameraModel, on_progress: Callable[[], None] = lambda: None
) -> RotationPairs:
    """Rotations between neighbouring images of a camera, in its optical axes; pairs that tell none are left out."""
    rotations = ImageRotation(camera)
    previous_ns: int | None = None
    rows: list[tuple[int, int, FloatArray]] = []
    for image in reader.images(on_bad_message=lambda error: None):
        on_progress()
        if previous_ns is not None and image.stamp_ns <= previous_ns:
            continue
        R = rotations.add(image.image)
        if R is not None and previous_ns is not None and image.stamp_ns - previous_ns <= _MAX_INTERVAL_NS:
            rows.append((previous_ns, image.stamp_ns, rotation_vectors(R)))
        previous_ns = image.stamp_ns
    return as_pairs(rows)


def as_pairs(rows: Sequence[tuple[int, int, FloatArray]]) -> RotationPairs:
    """Pairs of start [ns], end [ns] and rotation vector (3,)."""
    start_ns, end_ns = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 1))
    return RotationPairs(start_ns, end_ns, np.array([row[2] for row in rows]).reshape(-1, 3))


def gyro_readings(reader: BagReader) -> tuple[NDArray[np.int64], FloatArray]:
    """Stamps (M,), increasing, and angular velocities (M, 3) in imu_link; readings not finite are left out."""
    samples = [s for s in reader.imu(on_bad_message=lambda error: None) if np.isfinite(s.angular_velocity).all()]
    stamps_ns, first = np.unique(np.array([s.stamp_ns for s in samples], dtype=np.int64), return_index=True)
    return stamps_ns, np.array([s.angular_velocity for s in samples]).reshape(-1, 3)[first]
