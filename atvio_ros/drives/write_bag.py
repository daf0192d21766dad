"""Writes a drive as a bag: images, IMU, ground truth, and the whole robot, so that whoever runs it needs no options."""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import TypeAlias

import numpy as np

from atvio_ros.bags.topics import BASE_FRAME, CAMERA_FRAME, IMU_FRAME
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.drive import Drive
from atvio_ros.errors import DatasetError
from atvio_ros.geometry import inverse, transform, translation
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.rig import Rig, RigPart
from atvio_ros.rig.rig_yaml import rig_text
from atvio_ros.rig.transforms import BASE_FOOTPRINT
from atvio_ros.types import ImageArray

_Write: TypeAlias = tuple[int, Callable[[], None]]  # stamp [ns], and what writes the messages of that stamp


def write_bag(drive: Drive, writer: BagWriter, on_progress: Callable[[], None] = lambda: None) -> tuple[int, int]:
    """Write a drive in the order of time. Returns the size of its images (width, height) [px].

    `on_progress` is called for each image. Raises DatasetError on an image of another size than the first,
    CalibrationError on images that cannot be those of the camera, BagError as the writer does, and what the drive
    raises; then there is no bag.
    """
    size, rig = (0, 0), upright(drive.rig)
    camera = rig.camera

    def images(bag: BagWriter) -> Iterator[_Write]:
        nonlocal size, camera
        for i, (stamp_ns, image) in enumerate(drive.images()):
            height, width = image.shape[:2]
            if i == 0:
                size = (width, height)
                camera = rig.for_images(width, height).camera
            elif (width, height) != size:
                raise DatasetError(
                    f'Image {i} of the drive (the first is 0) has {width}x{height} pixels, the images before it '
                    f'{size[0]}x{size[1]}. A bag holds images of one size.'
                    ' Scale them all to one.'
                )
            yield stamp_ns, partial(_write_image, bag, camera, stamp_ns, image)
            on_progress()

    with writer as bag:
        # At one stamp in this order: a reader that has the image has all the IMU readings up to it.
        streams: tuple[Iterable[_Write], ...] = (_imu(drive, bag), images(bag), _truth(drive, bag))
        begun = False
        for stamp_ns, write in heapq.merge(*streams, key=itemgetter(0)):
            if not begun:
                _write_robot(bag, rig, stamp_ns)
                begun = True
            write()
    return size


def _imu(drive: Drive, bag: BagWriter) -> Iterator[_Write]:
    for sample in drive.imu.samples():
        yield sample.stamp_ns, partial(bag.write_imu, sample)


def _truth(drive: Drive, bag: BagWriter) -> Iterator[_Write]:
    truth = drive.truth
    if truth is not None:
        for stamp_ns, T_fixed_base in zip(truth.stamps_ns.tolist(), truth.poses, strict=True):
            yield stamp_ns, partial(bag.write_ground_truth, stamp_ns, T_fixed_base)


def upright(rig: Rig) -> Rig:
    """The rig with the axes of the image in its camera frame: camera_info of raw images has no turn between them."""
    camera = rig.camera
    if camera is None or np.array_equal(camera.R_image_camera, np.eye(3)):
        return rig
    turn = transform(camera.R_image_camera, np.zeros(3))
    raw = dataclasses.replace(camera, R_image_camera=np.eye(3))
    return dataclasses.replace(rig, camera=raw, T_base_camera=rig.T_base_camera @ inverse(turn))


def unsaid(rig: Rig) -> RigPart:
    """What camera_info and /tf_static cannot say of a rig, as far as it is not the default."""
    default = Rig()
    return RigPart(
        'rig',
        imu_time_offset=rig.imu_time_offset or None,
        gyro_lag=rig.gyro_lag or None,
        accelerometer_lag=rig.accelerometer_lag or None,
        readout_time=rig.readout_time or None,
        gyro_bias=None if (rig.gyro_bias == default.gyro_bias).all() else rig.gyro_bias,
        direction_of_travel=rig.direction_of_travel,
    )


def _write_robot(bag: BagWriter, rig: Rig, stamp_ns: int) -> None:
    """base_footprint is on the ground straight below base_link, and its child: odom is the parent of that."""
    transforms = {(BASE_FRAME, IMU_FRAME): rig.T_base_imu, (BASE_FRAME, CAMERA_FRAME): rig.T_base_camera}
    if rig.camera_height is not None:
        base_height_m = rig.camera_height - float(rig.T_base_camera[2, 3])
        transforms[BASE_FRAME, BASE_FOOTPRINT] = translation(0.0, 0.0, -base_height_m)
    bag.write_static_transforms(stamp_ns, transforms)
    if text := rig_text(unsaid(rig)):
        bag.write_rig(stamp_ns, text)


def _write_image(bag: BagWriter, camera: CameraModel | None, stamp_ns: int, image: ImageArray) -> None:
    """Calibration first: whoever has the image can use it."""
    if camera is not None:
        model, d = ('plumb_bob', None) if camera.is_pinhole else (camera.distortion_model, camera.d)
        bag.write_camera_info(stamp_ns, camera.width, camera.height, camera.intrinsics, distortion_model=model, d=d)
    bag.write_image(stamp_ns, image)
