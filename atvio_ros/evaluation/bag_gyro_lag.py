"""The lag of a bag's gyro, against its ground truth or against its images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.topics import CAMERA_INFO_TOPIC
from atvio_ros.calibration.gyro_lag import GyroLag, estimate_gyro_lag
from atvio_ros.calibration.gyro_recording import GyroRecording, RecordedGyro, RotationPairs
from atvio_ros.calibration.image_rotation import ImageRotation
from atvio_ros.drives.bag_drive import bag_mounting
from atvio_ros.errors import BagError
from atvio_ros.message_decoding import CameraInfo
from atvio_ros.types import FloatArray, Trajectory

Reference = Literal['truth', 'images']
_LEAST_INTERVAL_NS = 40_000_000  # a fast ground truth is thinned out: over short intervals its noise is all there is
_MAX_INTERVAL_NS = 500_000_000


@dataclass(frozen=True)
class BagLag:
    """How far a bag's gyro lags, and against what."""

    reference: Reference
    lag: GyroLag
    remark: str  # what the bag lacks; '' if nothing


def bag_gyro_lag(
    reader: BagReader,
    reference: Reference | None = None,
    search_s: float = 0.5,
    on_progress: Callable[[], None] = lambda: None,
) -> BagLag:
    """Estimate the lag of the bag's gyro; without `reference` against ground truth where there is one, else images.

    Ground truth is taken to be stamped by the clock of the images, as in our bags; images need camera_info and are
    taken to be rectified. Raises BagError when the bag lacks what is needed, ImuError when the lag is not clear.
    """
    if reference is None:
        reference = 'truth' if reader.topics.ground_truth else 'images'
    mounting, remark = bag_mounting(reader)
    gyro = _gyro(reader, mounting.R_base_imu)
    if reference == 'truth':
        pairs = truth_pairs(reader.ground_truth())
    else:
        pairs = _image_pairs(reader, mounting.T_base_camera[:3, :3], on_progress)
    return BagLag(reference, estimate_gyro_lag(GyroRecording(pairs, gyro), search_s), remark)


def truth_pairs(truth: Trajectory) -> RotationPairs:
    """Rotations between neighbouring true poses, those at most 0.04 s after the last one used left out."""
    kept = [0]
    for i, stamp_ns in enumerate(truth.stamps_ns.tolist()):
        if stamp_ns - truth.stamps_ns[kept[-1]] >= _LEAST_INTERVAL_NS:
            kept.append(i)
    R = truth.poses[kept, :3, :3]
    rotation = Rotation.from_matrix(np.swapaxes(R[:-1], 1, 2) @ R[1:]).as_rotvec().reshape(-1, 3)
    stamps_ns = truth.stamps_ns[kept]
    near = np.diff(stamps_ns) <= _MAX_INTERVAL_NS
    return RotationPairs(stamps_ns[:-1][near], stamps_ns[1:][near], rotation[near])


def _image_pairs(reader: BagReader, R_base_camera: FloatArray, on_progress: Callable[[], None]) -> RotationPairs:
    info = reader.camera_info()
    if info is None:
        raise BagError(
            f'{reader.path} has no camera_info ({CAMERA_INFO_TOPIC} or beside the images), which rotation from images '
            'needs, and is not to be measured by ground truth. Record it with the images.'
        )
    rotations: ImageRotation | None = None
    previous_ns: int | None = None
    rows: list[tuple[int, int, FloatArray]] = []
    for image in reader.images(on_bad_message=lambda error: None):
        on_progress()
        rotations = rotations or ImageRotation(_intrinsics(reader.path, info, *image.image.shape[:2]))
        if previous_ns is not None and image.stamp_ns <= previous_ns:
            continue
        R = rotations.add(image.image)
        if R is not None and previous_ns is not None and image.stamp_ns - previous_ns <= _MAX_INTERVAL_NS:
            rows.append((previous_ns, image.stamp_ns, R_base_camera @ Rotation.from_matrix(R).as_rotvec()))
        previous_ns = image.stamp_ns
    start_ns, end_ns = (np.array([row[i] for row in rows], dtype=np.int64) for i in (0, 1))
    return RotationPairs(start_ns, end_ns, np.array([row[2] for row in rows]).reshape(-1, 3))


def _intrinsics(path: Path, info: CameraInfo, height_px: int, width_px: int) -> tuple[float, float, float, float]:
    fx, fy, cx, cy = info.intrinsics
    if not (fx > 0.0 and fy > 0.0 and np.isfinite(info.intrinsics).all()):
        raise BagError(f'{path}: camera_info has the focal lengths {fx:g} and {fy:g}. Calibrate the camera.')
    if (info.width_px, info.height_px) not in ((0, 0), (width_px, height_px)):
        raise BagError(
            f'{path}: camera_info is of {info.width_px}x{info.height_px} pixels, the images have '
            f'{width_px}x{height_px}. Record the camera_info of these images.'
        )
    return fx, fy, cx, cy


def _gyro(reader: BagReader, R_base_imu: FloatArray) -> RecordedGyro:
    """The bag's gyro in base_link's axes, stamps increasing; readings not finite are left out."""
    samples = [s for s in reader.imu(on_bad_message=lambda error: None) if np.isfinite(s.angular_velocity).all()]
    stamps_ns, first = np.unique(np.array([s.stamp_ns for s in samples], dtype=np.int64), return_index=True)
    angular_velocity = np.array([s.angular_velocity for s in samples]).reshape(-1, 3)[first]
    return RecordedGyro(stamps_ns, angular_velocity @ R_base_imu.T)
