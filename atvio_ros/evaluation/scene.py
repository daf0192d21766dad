"""What makes odometry.mcap a drive to look at by itself: paths that grow, poses, a small image stream, what was seen.

Viewers draw paths and PoseStamped; not all of them draw nav_msgs/Odometry. Everything here is bounded, however long the
drive: a recording of ten hours has as many pictures and paths as one of ten minutes.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from atvio_ros.bags.reader import BagImage, BagReader
from atvio_ros.bags.topics import BASE_FRAME, CAMERA_FRAME, DEBUG_IMAGE_TOPIC, ODOM_FRAME, PATH_TOPIC, TRUTH_PATH_TOPIC
from atvio_ros.bags.writer import BagWriter
from atvio_ros.cdr_writing import PosesCdr
from atvio_ros.errors import BagError, CalibrationError, TrajectoryError
from atvio_ros.evaluation.alignment import associate, start_together
from atvio_ros.evaluation.view_pictures import WIDTH as PICTURE_WIDTH
from atvio_ros.messages import PATH
from atvio_ros.rig.rig import Rig
from atvio_ros.types import NANOSECONDS, ImageArray, Trajectory

PATHS, PATH_POSES = 100, 1000  # messages of a growing path, poses in the longest
PATH_PERIOD_S = 0.5
IMAGES, IMAGE_WIDTH, IMAGE_PERIOD_S = 200, 416, 0.25
PICTURES, PICTURE_PERIOD_S = 60, 1.0  # of the debug image


class DebugPictures:
    """Keeps small debug images of a drive whose length is not known: few enough, evenly spread, the first one too."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, ImageArray]] = []  # stamp [ns], (H, W, 3) RGB
        self._period_ns = round(PICTURE_PERIOD_S * NANOSECONDS)

    def wants(self, stamp_ns: int) -> bool:
        """Whether a picture of this stamp would be kept."""
        return not self.kept or stamp_ns - self.kept[-1][0] >= self._period_ns

    def add(self, stamp_ns: int, bgr: ImageArray) -> None:
        """Keep a picture (H, W, 3), if it is wanted."""
        if not self.wants(stamp_ns):
            return
        rgb = cv2.cvtColor(_small(bgr, PICTURE_WIDTH), cv2.COLOR_BGR2RGB)
        self.kept.append((stamp_ns, np.asarray(rgb, dtype=np.uint8)))
        if len(self.kept) >= 2 * PICTURES:
            self.kept = self.kept[::2]
            self._period_ns *= 2


class SmallImages:
    """Keeps small images of a drive at a low rate: few enough, evenly spread, the first one too.

    A drive may be of any length; of one of `expected_s` none is made small that is left out later.
    """

    def __init__(self, expected_s: float) -> None:
        self.kept: list[tuple[int, ImageArray]] = []  # stamp [ns], (H, W) or (H, W, 3) RGB
        self._period_ns = round(max(IMAGE_PERIOD_S, expected_s / IMAGES) * NANOSECONDS)

    def wants(self, stamp_ns: int) -> bool:
        """Whether an image of this stamp would be kept."""
        return not self.kept or stamp_ns - self.kept[-1][0] >= self._period_ns

    def add(self, image: BagImage) -> None:
        """Keep an image of the camera, if it is wanted."""
        if not self.wants(image.stamp_ns):
            return
        self.kept.append((image.stamp_ns, _small(image.image, IMAGE_WIDTH).copy()))
        if len(self.kept) >= 2 * IMAGES:
            self.kept = self.kept[::2]
            self._period_ns *= 2


def write_scene(
    writer: BagWriter,
    reader: BagReader,
    rig: Rig,
    trajectory: Trajectory,
    pictures: DebugPictures | None = None,
    images: SmallImages | None = None,
) -> None:
    """Write all of it for a drive whose bag is `reader`: what odometry alone does not show.

    `images` are those that were kept while the bag was read; None: they are read from it again. Raises FileError.
    """
    _write_paths(writer, trajectory, _truth(reader, trajectory))
    writer.write_poses(trajectory)
    if not reader.static_transforms():
        writer.write_static_transforms(int(trajectory.stamps_ns[0]), {(BASE_FRAME, CAMERA_FRAME): rig.T_base_camera})
    _write_images(writer, images or _read_again(reader), rig, int(trajectory.stamps_ns[0]))
    for stamp_ns, picture in pictures.kept if pictures else []:
        writer.write_image(stamp_ns, picture, topic=DEBUG_IMAGE_TOPIC)


def _truth(reader: BagReader, trajectory: Trajectory) -> Trajectory | None:
    """The ground truth in odom, from the first odometry on; None where there is none that fits."""
    if reader.topics.ground_truth is None:
        return None
    try:
        truth = reader.ground_truth()
        estimate_there, truth_there = associate(trajectory, truth)
    except (BagError, TrajectoryError):  # the report says it
        return None
    moved = start_together(truth, truth_there.poses[0], estimate_there.poses[0])
    during = moved.stamps_ns >= trajectory.stamps_ns[0]
    return dataclasses.replace(moved, stamps_ns=moved.stamps_ns[during], poses=moved.poses[during])


def _write_paths(writer: BagWriter, trajectory: Trajectory, truth: Trajectory | None) -> None:
    """Both paths from the first stamp on, each message with all poses so far, the last with the last pose."""
    paths = [(PATH_TOPIC, trajectory), *([] if truth is None else [(TRUTH_PATH_TOPIC, truth)])]
    for topic, whole in paths:
        poses = PosesCdr(ODOM_FRAME, whole)
        for at_ns in _times(trajectory.stamps_ns, PATHS, PATH_PERIOD_S):
            if whole.stamps_ns[0] <= at_ns:
                writer.write_raw(topic, PATH, at_ns, poses.path(at_ns, _until(whole.stamps_ns, at_ns)))


def _times(stamps_ns: np.ndarray, most: int, period_s: float) -> list[int]:
    """At most `most` stamps, evenly spread and at least `period_s` apart; the first and the last are among them."""
    first, last = int(stamps_ns[0]), int(stamps_ns[-1])
    count = min(most, len(stamps_ns), 2 + int((last - first) / NANOSECONDS / period_s))
    nearest = np.searchsorted(stamps_ns, np.linspace(0.0, last - first, count) + first)
    return sorted({first, last, *(int(stamps_ns[i]) for i in np.minimum(nearest, len(stamps_ns) - 1))})


def _until(stamps_ns: NDArray[np.int64], at_ns: int) -> NDArray[np.intp]:
    """Which poses there are up to a stamp, thinned out where the whole has too many; the newest stays."""
    step = -(-len(stamps_ns) // PATH_POSES)
    end = int(np.searchsorted(stamps_ns, at_ns, side='right'))
    return np.unique(np.append(np.arange(0, end, step), end - 1))


def _read_again(reader: BagReader) -> SmallImages:
    images = SmallImages(reader.length_s)
    for image in reader.images(lambda error: None, images.wants):
        images.add(image)
    return images


def _write_images(writer: BagWriter, images: SmallImages, rig: Rig, first_ns: int) -> None:
    """Those from the first odometry on, each with the camera_info of its size."""
    for stamp_ns, small in images.kept:
        if stamp_ns < first_ns:
            continue
        writer.write_image(stamp_ns, small)
        height, width = small.shape[:2]
        try:
            camera = rig.for_images(width, height).camera
        except CalibrationError:  # of another shape than these images
            camera = None
        if camera is not None:
            model = 'plumb_bob' if camera.is_pinhole else camera.distortion_model
            d = None if camera.is_pinhole else camera.d
            writer.write_camera_info(stamp_ns, width, height, camera.intrinsics, distortion_model=model, d=d)


def _small(image: ImageArray, width: int) -> ImageArray:
    """An image (H, W) or (H, W, 3) no wider than `width`, of the same shape."""
    if image.shape[1] <= width:
        return image
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)
