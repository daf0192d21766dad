"""Writes a drive as a bag: images, calibration, IMU, ground truth and where the sensors sit."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import itemgetter
from typing import TypeAlias

from atvio_ros.bags.topics import BASE_FRAME, CAMERA_FRAME, IMU_FRAME
from atvio_ros.bags.writer import BagWriter
from atvio_ros.drives.drive import Drive
from atvio_ros.errors import DatasetError
from atvio_ros.types import ImageArray

_Write: TypeAlias = tuple[int, Callable[[], None]]  # stamp [ns], and what writes the messages of that stamp


def write_bag(drive: Drive, writer: BagWriter, on_progress: Callable[[], None] = lambda: None) -> tuple[int, int]:
    """Write a drive in the order of time. Returns the size of its images (width, height) [px].

    `on_progress` is called for each image. Raises DatasetError on an image of another size than the first, BagError
    as the writer does, and what the drive raises; then there is no bag.
    """
    size = (0, 0)

    def images(bag: BagWriter) -> Iterator[_Write]:
        nonlocal size
        for i, (stamp_ns, image) in enumerate(drive.images()):
            height, width = image.shape[:2]
            if i == 0:
                size = (width, height)
            elif (width, height) != size:
                raise DatasetError(
                    f'Image {i} of the drive (the first is 0) has {width}x{height} pixels, the images before it '
                    f'{size[0]}x{size[1]}. A bag holds images of one size.'
                )
            yield stamp_ns, partial(_write_image, bag, drive, stamp_ns, image)
            on_progress()

    with writer as bag:
        # At one stamp in this order: a reader that has the image has all the IMU readings up to it.
        streams: tuple[Iterable[_Write], ...] = (_imu(drive, bag), images(bag), _truth(drive, bag))
        begun = False
        for stamp_ns, write in heapq.merge(*streams, key=itemgetter(0)):
            if not begun:
                _write_mounting(bag, drive, stamp_ns)
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


def _write_mounting(bag: BagWriter, drive: Drive, stamp_ns: int) -> None:
    mounting = drive.mounting
    bag.write_static_transforms(
        stamp_ns, {(BASE_FRAME, IMU_FRAME): mounting.T_base_imu, (BASE_FRAME, CAMERA_FRAME): mounting.T_base_camera}
    )


def _write_image(bag: BagWriter, drive: Drive, stamp_ns: int, image: ImageArray) -> None:
    """Calibration first: whoever has the image can use it."""
    if drive.intrinsics is not None:
        height, width = image.shape[:2]
        bag.write_camera_info(stamp_ns, width, height, drive.intrinsics)
    bag.write_image(stamp_ns, image)
