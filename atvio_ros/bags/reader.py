"""Reads images, IMU readings, ground truth and calibration from bags, ours and those of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias, TypeVar

import numpy as np
from rosbags.interfaces import Connection

from atvio_ros import message_decoding, messages
from atvio_ros.bags.storage import DAMAGE, BagStorage, RawMessage, summary
from atvio_ros.bags.topics import (
    CAMERA_INFO_TOPIC,
    GROUND_TRUTH_KIND,
    IMAGE_KIND,
    IMU_KIND,
    RIG_TOPIC,
    STATIC_TRANSFORM_TOPIC,
    TRANSFORM_TOPIC,
    Span,
    TopicKind,
    Topics,
    choose_topic,
)
from atvio_ros.cdr import compressed_image_from_cdr, image_from_cdr, imu_from_cdr
from atvio_ros.errors import AtvioError, BagError, ImageError, MessageError, TrajectoryError
from atvio_ros.message_decoding import CameraInfo, Fix
from atvio_ros.moving_frames import StampedTransform, chained
from atvio_ros.types import NANOSECONDS, FloatArray, ImageArray, ImuSample, Trajectory


@dataclass(frozen=True)
class BagImage:
    """A decoded image at its header stamp, in its original size."""

    stamp_ns: int
    frame_id: str
    image: ImageArray  # (H, W) grey or (H, W, 3) RGB


SPAN_MARGIN_NS = NANOSECONDS // 2  # of IMU readings and true poses around the images of a span, for lags and offsets

OnBadMessage: TypeAlias = Callable[[BagError], None]
Value = TypeVar('Value')


class BagReader:
    """Context manager over one bag: ROS 1, sqlite3 or mcap.

    `topics` are those chosen, None where nothing could be. Raises BagError when the bag is missing or damaged, at once
    when a topic asked for is not there, and otherwise from the method that needs a topic the bag lacks.
    With a `span` the images of that part alone are handed out, with the IMU readings and the true poses around them.
    """

    def __init__(self, path: Path, topics: Topics | None = None, span: Span | None = None) -> None:
        self.path = path
        self.span = span
        self.topics = topics or Topics()
        self._storage = BagStorage(path)
        self._missing: dict[str, BagError] = {}
        self._counts: dict[str, int] = {}
        self._trajectories: dict[str, Trajectory] = {}

    def __enter__(self) -> BagReader:
        self._storage.__enter__()
        try:
            self.topics = Topics(
                image=self._choose(IMAGE_KIND, self.topics.image),
                imu=self._choose(IMU_KIND, self.topics.imu),
                ground_truth=self._choose(GROUND_TRUTH_KIND, self.topics.ground_truth),
            )
            self._check_span()
        except BagError:
            self._storage.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._storage.close()

    def count(self, topic: str) -> int:
        """How many messages the bag's index has on a topic; with a span, how many are in it."""
        connections = [connection for connection in self._storage.connections if connection.topic == topic]
        if self.span is None or not connections:
            return sum(connection.msgcount for connection in connections)
        if topic not in self._counts:
            found = self._storage.messages(connections)
            self._counts[topic] = sum(self._within(stamp_ns, connection.msgtype) for connection, stamp_ns, _ in found)
        return self._counts[topic]

    @property
    def length_s(self) -> float:
        """Time from the first message to the last; with a span, of that part."""
        first_ns, last_ns = self._storage.extent_ns
        length_s = (last_ns - first_ns) / NANOSECONDS
        return length_s if self.span is None else max(0.0, min(length_s, self.span.to_s) - self.span.from_s)

    def types(self, topics: Collection[str]) -> dict[str, str]:
        """{topic: message type} of those topics that the bag has."""
        return {c.topic: c.msgtype for c in self._storage.connections if c.topic in topics}

    def events(self, on_bad_message: OnBadMessage | None = None) -> Iterator[ImuSample | BagImage]:
        """IMU readings and images in the order they were recorded (log time), each decoded when its turn comes.

        Stamps are those of the headers. A message that cannot be decoded is handed to `on_bad_message` as the BagError
        it is and left out; without that it is raised. Raises BagError when the bag has no images or no IMU readings.
        """
        image, imu = self._need(IMAGE_KIND, self.topics.image), self._need(IMU_KIND, self.topics.imu)
        kinds = (*IMAGE_KIND.types, *IMU_KIND.types)
        return self._decoded((image, imu), kinds, _event, on_bad_message)

    def images(
        self, on_bad_message: OnBadMessage | None = None, wanted: Callable[[int], bool] = lambda log_stamp_ns: True
    ) -> Iterator[BagImage]:
        """The images alone; see events. Those that are not `wanted`, by their log stamp, are not decoded."""
        topics = (self._need(IMAGE_KIND, self.topics.image),)
        return self._decoded(topics, IMAGE_KIND.types, _image, on_bad_message, wanted)

    def imu(self, on_bad_message: OnBadMessage | None = None) -> Iterator[ImuSample]:
        """The IMU readings alone; see events."""
        return self._decoded((self._need(IMU_KIND, self.topics.imu),), IMU_KIND.types, _imu, on_bad_message)

    def raw_messages(self, topics: Collection[str] | None = None) -> Iterator[RawMessage]:
        """Every message, or those of some topics, as CDR bytes in the order of the log stamps, to be published again.

        From a ROS 1 bag only the types that this package reads, converted. Raises BagError.
        """
        return self._storage.raw_messages(topics)

    def ground_truth(self) -> Trajectory:
        """True poses, by increasing stamp. Raises BagError when the bag has none."""
        return self.trajectory(self._need(GROUND_TRUTH_KIND, self.topics.ground_truth))

    def trajectory(self, topic: str) -> Trajectory:
        """Poses of a topic of Odometry, PoseStamped, PoseWithCovarianceStamped or TransformStamped messages.

        Sorted by header stamp; of several poses with one stamp the first is kept. Raises BagError without any.
        """
        if topic not in self._trajectories:
            self._trajectories[topic] = self._read_trajectory(topic)
        return self._trajectories[topic]

    def _read_trajectory(self, topic: str) -> Trajectory:
        topic = choose_topic(self.path, self._storage.connections, GROUND_TRUTH_KIND, topic)
        if self.types({topic})[topic] == messages.NAV_SAT_FIX:
            raise BagError(
                f'{self.path}: {topic} has positions without orientation (GPS), where whole poses are needed. '
                '`atvio run`, `evaluate` and `prepare` take them; here name a topic of poses with --ground-truth-topic.'
            )
        stamped = list(self._decoded((topic,), messages.POSE_TYPES, message_decoding.stamped_pose))
        stamps_ns, first = np.unique(np.array([stamp_ns for stamp_ns, _ in stamped], dtype=np.int64), return_index=True)
        return Trajectory(stamps_ns, np.stack([T for _, T in stamped])[first])

    def fixes(self, topic: str) -> list[Fix]:
        """The GPS fixes of a topic of NavSatFix messages, as recorded; messages without a fix are left out."""
        types = (messages.NAV_SAT_FIX,)
        decoded = self._decoded((topic,), types, lambda message, _: message_decoding.nav_sat_fix(message))
        return [fix for fix in decoded if fix is not None]

    def moving_transform(self, fixed: str, moving: str) -> Trajectory:
        """Poses of the frame `moving` in `fixed`, by /tf and /tf_static. Raises BagError where these do not tell it."""
        stamped: list[StampedTransform] = []
        for transforms in self._decoded((TRANSFORM_TOPIC,), (messages.TF_MESSAGE,), _stamped_transforms):
            stamped += transforms
        try:
            return chained(self.static_transforms(), stamped, fixed, moving)
        except TrajectoryError as error:
            raise BagError(f'{self.path}: {error}') from error

    def camera_info(self) -> CameraInfo | None:
        """The first calibration on /camera/camera_info, or else on `camera_info` beside the image topic, or None."""
        image = self.topics.image or ''
        for topic in (CAMERA_INFO_TOPIC, image.removesuffix('/compressed').rpartition('/')[0] + '/camera_info'):
            for info in self._decoded((topic,), (messages.CAMERA_INFO,), _camera_info):
                return info
        return None

    def rig_text(self) -> str | None:
        """The last text on /rig, as in rig.yaml: what camera_info and transforms do not say. None without one."""
        texts = self._decoded((RIG_TOPIC,), (messages.STRING,), lambda message, _: str(message.data))
        return next(reversed(list(texts)), None)

    def imu_frame_id(self) -> str:
        """Frame of the IMU readings, from the first of them. Raises BagError when the bag has none."""
        topic = self._need(IMU_KIND, self.topics.imu)
        return next(self._decoded((topic,), IMU_KIND.types, _imu_frame), '')

    def static_transforms(self) -> dict[tuple[str, str], FloatArray]:
        """{(parent, child): T_parent_child (4, 4)} of /tf_static, the last of repeated ones: see TransformTree."""
        result: dict[tuple[str, str], FloatArray] = {}
        for transforms in self._decoded((STATIC_TRANSFORM_TOPIC,), (messages.TF_MESSAGE,), _transforms):
            result.update(transforms)
        return result

    def _choose(self, kind: TopicKind, asked: str | None) -> str | None:
        try:
            return choose_topic(self.path, self._storage.connections, kind, asked)
        except BagError as error:
            if asked is not None:
                raise
            self._missing[kind.noun] = error
            return None

    def _need(self, kind: TopicKind, topic: str | None) -> str:
        if topic is None:
            raise self._missing[kind.noun]
        return topic

    def _decoded(
        self,
        topics: tuple[str, ...],
        types: tuple[str, ...],
        decode: Callable[[Any, str], Value],
        on_bad_message: OnBadMessage | None = None,
        wanted: Callable[[int], bool] = lambda log_stamp_ns: True,
    ) -> Iterator[Value]:
        connections = [c for c in self._storage.connections if c.topic in topics and c.msgtype in types]
        seen: Counter[str] = Counter()
        for connection, log_stamp_ns, cdr in self._storage.messages(connections):
            seen[connection.topic] += 1
            if not (self._within(log_stamp_ns, connection.msgtype) and wanted(log_stamp_ns)):
                continue
            try:
                parse = _PARSERS.get(connection.msgtype)
                message = self._storage.deserialize(connection, cdr) if parse is None else parse(cdr)
                value = decode(message, connection.msgtype)
            except (ImageError, MessageError, *DAMAGE) as error:
                bad = self._bad_message(connection, seen[connection.topic], error)
                if on_bad_message is None:
                    raise bad from error
                on_bad_message(bad)
            else:
                yield value

    def _within(self, log_stamp_ns: int, type_name: str) -> bool:
        """Whether a message belongs to the span; the robot's description always does."""
        if self.span is None or type_name not in (*IMAGE_KIND.types, *IMU_KIND.types, *GROUND_TRUTH_KIND.types):
            return True
        margin_ns = 0 if type_name in IMAGE_KIND.types else SPAN_MARGIN_NS
        since_ns = log_stamp_ns - self._storage.extent_ns[0]
        return NANOSECONDS * self.span.from_s - margin_ns <= since_ns < NANOSECONDS * self.span.to_s + margin_ns

    def _check_span(self) -> None:
        first_ns, last_ns = self._storage.extent_ns
        length_s = (last_ns - first_ns) / NANOSECONDS
        if self.span is not None and self.span.from_s > length_s:
            raise BagError(
                f'{self.path} is {length_s:.1f} s long; nothing is left of it after {self.span.from_s:g} s.'
                ' Lower --from.'
            )

    def _bad_message(self, connection: Connection, number: int, error: BaseException) -> BagError:
        total = self.count(connection.topic)
        damage = f'{summary(error)}. The bag is damaged there: copy it again, or record again.'
        what = str(error) if isinstance(error, AtvioError) else damage
        return BagError(f'{self.path}: message {number} of {total} on {connection.topic} cannot be decoded. {what}')


# Straight from the bytes what comes most often; the others by rosbags.
_PARSERS: dict[str, Callable[[bytes], Any]] = {
    messages.IMU: imu_from_cdr,
    messages.IMAGE: image_from_cdr,
    messages.COMPRESSED_IMAGE: compressed_image_from_cdr,
}


def _event(message: Any, type_name: str) -> ImuSample | BagImage:
    return _imu(message, type_name) if type_name == messages.IMU else _image(message, type_name)


def _imu(message: ImuSample, type_name: str) -> ImuSample:
    return message


def _image(message: Any, type_name: str) -> BagImage:
    compressed = type_name == messages.COMPRESSED_IMAGE
    decode = message_decoding.compressed_image_pixels if compressed else message_decoding.image_pixels
    return BagImage(message_decoding.header_stamp_ns(message), message_decoding.header_frame(message), decode(message))


def _camera_info(message: Any, type_name: str) -> CameraInfo:
    return message_decoding.camera_info(message)


def _stamped_transforms(message: Any, type_name: str) -> list[StampedTransform]:
    return [
        StampedTransform(message_decoding.header_stamp_ns(each), *message_decoding.stamped_transform(each))
        for each in message.transforms
    ]


def _imu_frame(message: ImuSample, type_name: str) -> str:
    return message.frame_id


def _transforms(message: Any, type_name: str) -> dict[tuple[str, str], FloatArray]:
    stamped = map(message_decoding.stamped_transform, message.transforms)
    return {(parent, child): T_parent_child for parent, child, T_parent_child in stamped}
