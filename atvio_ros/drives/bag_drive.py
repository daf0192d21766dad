"""A bag as a drive, and what the bag holds of it: mounting and ground truth."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.topics import BASE_FRAME
from atvio_ros.drives.drive import Intrinsics
from atvio_ros.drives.imu_readings import ImuReadings, order_readings
from atvio_ros.errors import BagError
from atvio_ros.mounting import Mounting
from atvio_ros.transform_tree import lookup
from atvio_ros.types import FloatArray, ImageArray, Trajectory


class BagDrive:
    """The Drive in an open bag. Images are read each time they are asked for, everything else the first time.

    A message that cannot be decoded is handed to `on_bad_message` and left out; without that it is raised. Raises
    BagError also when the bag has no images or no IMU readings.
    """

    def __init__(self, reader: BagReader, on_bad_message: Callable[[BagError], None] | None = None) -> None:
        self._reader = reader
        self._on_bad_message = on_bad_message
        self.mounting, remark = bag_mounting(reader)
        self.notes = (remark,) if remark else ()

    def images(self) -> Iterator[tuple[int, ImageArray]]:
        """Stamps and images in the order they were recorded (log time); see Drive."""
        for image in self._reader.images(self._on_bad_message):
            yield image.stamp_ns, image.image

    @functools.cached_property
    def stamps_ns(self) -> NDArray[np.int64]:
        """(N,) of the images that can be decoded, as recorded: decodes all of them, so `images` is often better."""
        images = self._reader.images(on_bad_message=lambda error: None)  # `images` reports the bad ones
        return np.array([image.stamp_ns for image in images], dtype=np.int64)

    @functools.cached_property
    def imu(self) -> ImuReadings:
        """The readings, brought into the order of their stamps."""
        stamps_ns: list[int] = []
        values: list[FloatArray] = []
        for sample in self._reader.imu(self._on_bad_message):
            stamps_ns.append(sample.stamp_ns)
            values.append(np.concatenate((sample.angular_velocity, sample.linear_acceleration)))
        return order_readings(np.array(stamps_ns, dtype=np.int64), np.array(values).reshape(-1, 6))

    @functools.cached_property
    def truth(self) -> Trajectory | None:
        """Ground truth of the bag; None if it has none."""
        return bag_truth(self._reader)

    @functools.cached_property
    def intrinsics(self) -> Intrinsics | None:
        """Of the bag's camera_info; None if it has none."""
        info = self._reader.camera_info()
        return info.intrinsics if info else None


def bag_mounting(reader: BagReader) -> tuple[Mounting, str]:
    """Where the sensors sit according to the bag, and a sentence about what it lacks ('' if nothing)."""
    transforms = reader.static_transforms()
    image = next(reader.images(on_bad_message=lambda error: None), None)  # whoever reads them all reports the bad ones
    if image is None:
        raise BagError(f'{reader.path} has no image that can be decoded. Record or export it again.')
    T_base_camera = lookup(transforms, BASE_FRAME, image.frame_id)
    imu_frame = reader.imu_frame_id()
    T_base_imu = lookup(transforms, BASE_FRAME, imu_frame)
    assumed = Mounting()
    remarks = []
    if T_base_camera is None:
        remarks.append(
            f'The bag has no transform from {BASE_FRAME} to {image.frame_id}: '
            f'the camera is taken to look forward from where {BASE_FRAME} is.'
        )
        T_base_camera = assumed.T_base_camera
    if T_base_imu is None:
        remarks.append(
            f'The bag has no transform from {BASE_FRAME} to {imu_frame}: '
            f'the axes of the IMU are taken to be those of {BASE_FRAME}.'
        )
        T_base_imu = assumed.T_base_imu
    return Mounting(T_base_camera, T_base_imu), ' '.join(remarks)


def bag_truth(reader: BagReader) -> Trajectory | None:
    """Ground truth of the bag; None if it has none."""
    return reader.ground_truth() if reader.topics.ground_truth else None
