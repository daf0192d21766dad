"""A bag as a drive, and what the bag holds of it: the robot and ground truth."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.bags.topics import BASE_FRAME, RIG_TOPIC, STATIC_TRANSFORM_TOPIC
from atvio_ros.drives.imu_readings import ImuReadings, order_readings
from atvio_ros.errors import BagError, CalibrationError
from atvio_ros.message_decoding import CameraInfo
from atvio_ros.rig.camera import CameraModel
from atvio_ros.rig.camera_info import from_camera_info, is_rectified_topic
from atvio_ros.rig.combine import Combination, combine
from atvio_ros.rig.rig import Rig, RigPart
from atvio_ros.rig.rig_yaml import rig_part
from atvio_ros.rig.transforms import BASE_FOOTPRINT, transforms_part
from atvio_ros.transform_tree import lookup
from atvio_ros.types import FloatArray, ImageArray, Trajectory

UNCALIBRATED = 'camera_info has a K of zeros: the camera is not calibrated as far as the bag says.'


class BagDrive:
    """The Drive in an open bag. Images are read each time they are asked for, everything else the first time.

    A message that cannot be decoded is handed to `on_bad_message` and left out; without that it is raised. Raises
    BagError also when the bag has no images or no IMU readings, and what bag_rig raises.
    """

    def __init__(
        self,
        reader: BagReader,
        on_bad_message: Callable[[BagError], None] | None = None,
        given: RigPart | None = None,
        truth: Callable[[Rig], Trajectory | None] | None = None,
    ) -> None:
        self._reader = reader
        self._given_truth = truth
        self._on_bad_message = on_bad_message
        self._combination = bag_rig(reader, given)

    @property
    def rig(self) -> Rig:
        """The robot, as bag_rig finds it."""
        return self._combination.rig

    @property
    def notes(self) -> tuple[str, ...]:
        """What two sources say differently of the robot, and what was left to defaults."""
        return self._combination.reports

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
        """Ground truth of the bag, or what `truth` makes of the robot; None if there is none."""
        return bag_truth(self._reader) if self._given_truth is None else self._given_truth(self.rig)


def bag_rig(reader: BagReader, given: RigPart | None = None) -> Combination:
    """The rig of an open bag, its camera that of the images as they are recorded, and how it came about.

    What is `given` wins over the text on /rig, that over transforms and camera_info. What nobody says has its default:
    no lag, no height. Raises BagError without an image that can be decoded, CalibrationError where the bag describes
    an impossible camera or one of other images and `given` describes none, SettingsError on an unknown key on /rig.
    """
    image = first_image(reader)
    parts = [] if given is None else [given]
    if text := reader.rig_text():
        parts.append(rig_part(text, RIG_TOPIC, _rectified(reader)))
    parts.append(_transforms(reader, image.frame_id, parts))
    has_camera = any(part.camera is not None for part in parts)
    info = reader.camera_info()
    reports: tuple[str, ...] = ()
    if info is not None and not (info.k.any() or info.p.any()):
        reports = (UNCALIBRATED,)
    elif info is not None:
        try:
            parts.append(RigPart('camera_info', camera=_camera(reader, info)))
        except CalibrationError as error:
            if not has_camera:
                raise
            reports = (f'camera_info is not used: {error}',)
    rig, more, sources = combine(parts)
    height, width = image.image.shape[:2]
    return Combination(rig.for_images(width, height), (*reports, *more), sources)


def first_image(reader: BagReader) -> BagImage:
    """The first image of an open bag that can be decoded. Raises BagError where none can be."""
    image = next(reader.images(on_bad_message=lambda error: None), None)  # whoever reads them all reports the bad ones
    if image is None:
        raise BagError(f'{reader.path} has no image that can be decoded. Record or export it again.')
    return image


def bag_truth(reader: BagReader) -> Trajectory | None:
    """Ground truth of the bag; None if it has none."""
    return reader.ground_truth() if reader.topics.ground_truth else None


def _transforms(reader: BagReader, camera_frame: str, earlier: list[RigPart]) -> RigPart:
    transforms = reader.static_transforms()
    return transforms_part(
        lookup(transforms, BASE_FRAME, camera_frame),
        lookup(transforms, BASE_FRAME, reader.imu_frame_id()),
        lookup(transforms, BASE_FOOTPRINT, BASE_FRAME),
        STATIC_TRANSFORM_TOPIC,
        earlier,
    )


def _camera(reader: BagReader, info: CameraInfo) -> CameraModel:
    return from_camera_info(
        info.width_px, info.height_px, info.distortion_model, info.d, info.k, info.r, info.p,
        *info.binning, roi=info.roi, rectified=_rectified(reader), where=f'{reader.path}: camera_info',
    )  # fmt: skip


def _rectified(reader: BagReader) -> bool:
    return is_rectified_topic(reader.topics.image or '')
