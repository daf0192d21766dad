"""The robot as the node learns it: from parameters, a rig file, and the topics rig, /tf_static and camera_info."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from atvio_ros.errors import AtvioError, CalibrationError, MessageError
from atvio_ros.message_decoding import stamped_transform
from atvio_ros.odometry.ledger import Reason
from atvio_ros.rig.camera_info import is_rectified_topic
from atvio_ros.rig.combine import Combination, combine
from atvio_ros.rig.rig import RigPart
from atvio_ros.rig.rig_yaml import read_rig, rig_part
from atvio_ros.rig.transforms import BASE_FOOTPRINT, transforms_part
from atvio_ros.ros.camera_watch import CameraWatch, camera_of
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.transform_tree import TransformTree
from atvio_ros.words import listed, shortened

STATIC_TRANSFORMS = '/tf_static'
ON_RIG_TOPIC = (
    'imu_time_offset',
    'gyro_lag',
    'accelerometer_lag',
    'readout_time',
    'gyro_bias',
)  # what no other topic tells
COMPLAINT_PERIOD_S = 5.0
GRACE_S = 2.0  # after the first image: what is latched has come by then


class Missing(NamedTuple):
    """Why there is no odometry yet."""

    reason: Reason  # under which images are counted meanwhile
    text: str


class RigSource:
    """Collects what is said of the robot. The first to speak wins: parameters, rig file, the topic rig, /tf_static,
    camera_info; what nobody says by `GRACE_S` after the first image has its default.

    With `needs_view` the camera and its height must be known: those it waits for without a limit, and says so.
    Raises SettingsError or CalibrationError on a rig file that cannot be used. `clock` gives seconds, for tests.
    `lock` is held while a message is taken: other threads that ask must hold it, too.
    """

    def __init__(
        self,
        node: Node,
        parameters: NodeParameters,
        needs_view: bool,
        clock: Callable[[], float] = time.monotonic,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._lock = lock or nullcontext()
        self._node = node
        self._parameters = parameters
        self._needs_view = needs_view
        self._clock = clock
        image_topic = node.resolve_topic_name('image')
        self._rectified = is_rectified_topic(image_topic.removesuffix('/compressed'))
        self._newest_camera_info: CameraInfo | None = None  # whether it can be used or not
        self._given: list[RigPart] = [parameters.robot]
        if parameters.rig:
            self._given.append(read_rig(Path(parameters.rig), self._rectified, image_topic=image_topic))
        self._frames = {'camera': '', 'IMU': ''}
        self._first_image_s: float | None = None
        self._tree = TransformTree()
        self._on_topic: RigPart | None = None
        self._camera_info: RigPart | None = None
        self._errors: dict[str, str] = {}  # topic -> why what it says is impossible
        self._refused = ''  # a transform that is none
        self._complained_s = -COMPLAINT_PERIOD_S + clock()  # about the topic rig
        self._subscriptions = self._subscribe()

    @property
    def in_grace(self) -> bool:
        """Whether an image has come, so lately that latched messages may still be on their way."""
        return self._first_image_s is not None and self._clock() - self._first_image_s < GRACE_S

    @property
    def parent_of_base(self) -> str:
        """The frame above base_frame on /tf_static; '' where there is none."""
        return self._tree.parent(self._parameters.base_frame)

    def found(self, combination: Combination) -> dict[str, str]:
        """What the odometry stands on, for /diagnostics: each fact of the robot, and who said it."""
        rig, sources = combination.rig, combination.sources
        values = {
            'rig: base_to_camera': sources.get('T_base_camera', 'default'),
            'rig: base_to_imu': sources.get('T_base_imu', 'default'),
            'rig: gyro_lag [s]': f'{rig.gyro_lag:g} ({sources.get("gyro_lag", "default")})',
            'rig: imu_time_offset [s]': f'{rig.imu_time_offset:g} ({sources.get("imu_time_offset", "default")})',
        }
        if self._needs_view:
            values['rig: camera'] = sources.get('camera', 'none')
            values['rig: camera_height [m]'] = f'{rig.camera_height or 0.0:g} ({sources.get("camera_height", "none")})'
        return values

    def see(self, sensor: str, frame_id: str) -> None:
        """Take the frame of a message of 'camera' or 'IMU'."""
        if sensor == 'camera' and self._first_image_s is None:
            self._first_image_s = self._clock()
        if frame_id:
            self._frames[sensor] = frame_id

    def missing(self) -> Missing | None:
        """What must still be said before there can be odometry; None: `combination` has it."""
        waits = self._parameters.extrinsics_from_tf or self.in_grace
        if waits and self._poses_missing():
            return Missing(Reason.NO_TRANSFORM, self._words_for_poses())
        if self.in_grace and self._rig_topic_may_tell():
            return Missing(Reason.NO_CALIBRATION, f'waiting for the message on {self._topic("rig")}')
        if not self._needs_view:
            return None
        rig = combine(self._parts()).rig
        if rig.camera is None:
            return Missing(Reason.NO_CALIBRATION, self._words_for_camera())
        if rig.camera_height is None:
            return Missing(Reason.NO_CALIBRATION, self._words_for_height())
        return None

    def combination(self) -> Combination:
        """The robot by all that was said so far."""
        return combine(self._parts())

    def assumed(self, combination: Combination) -> str:
        """One sentence on the poses that nobody gave; '' where somebody gave both."""
        defaults = {
            'T_base_camera': 'base_to_camera (the camera looks along base x)',
            'T_base_imu': 'base_to_imu (the IMU has the axes of the base)',
        }
        left = [words for name, words in defaults.items() if name not in combination.sources]
        if not left:
            return ''
        return (
            f'assumed, as neither parameters nor a rig file nor {STATIC_TRANSFORMS} say it: {" and ".join(left)}. '
            f'Set them, or publish the transforms from {self._parameters.base_frame}'
        )

    def close(self) -> None:
        """Stop listening."""
        subscriptions, self._subscriptions = self._subscriptions, []
        for subscription in subscriptions:
            self._node.destroy_subscription(subscription)

    def _subscribe(self) -> list[Any]:
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node = self._node
        made = [
            node.create_subscription(TFMessage, STATIC_TRANSFORMS, self._on_static, latched),
            node.create_subscription(String, 'rig', self._on_rig, latched),
        ]
        if self._needs_view:
            reliability = ReliabilityPolicy[self._parameters.image_reliability.upper()]
            qos = QoSProfile(depth=1, reliability=reliability)
            made.append(node.create_subscription(CameraInfo, 'camera_info', self._on_camera_info, qos))
        return made

    def _on_static(self, message: TFMessage) -> None:
        with self._lock:
            self._take_static(message)

    def _take_static(self, message: TFMessage) -> None:
        for stamped in message.transforms:
            try:
                self._tree.add(*stamped_transform(stamped))
            except MessageError as error:
                self._refused = f'; refused: {error}'

    def _on_rig(self, message: String) -> None:
        topic = self._topic('rig')
        try:
            part = rig_part(message.data, topic, self._rectified)
            with self._lock:
                self._on_topic = part
        except AtvioError as error:
            with self._lock:
                self._on_topic = RigPart(topic)
            if self._clock() - self._complained_s >= COMPLAINT_PERIOD_S:
                self._complained_s = self._clock()
                self._node.get_logger().error(f'the message on {topic} is not used: {shortened(str(error))}')

    def _on_camera_info(self, message: CameraInfo) -> None:
        with self._lock:
            self._take_camera_info(message)

    def _take_camera_info(self, message: CameraInfo) -> None:
        topic, self._newest_camera_info = self._topic('camera_info'), message
        try:
            camera = camera_of(message, self._rectified, topic)
        except CalibrationError as error:
            self._errors[topic], self._camera_info = str(error), None
        else:
            self._errors.pop(topic, None)
            self._camera_info = RigPart(topic, camera=camera)

    def watch_camera(self) -> CameraWatch | None:
        """What listens to camera_info once the robot is put together; None where the odometry needs no view."""
        if not self._needs_view:
            return None
        reliability = self._parameters.image_reliability
        return CameraWatch(self._node, reliability, self._rectified, self._newest_camera_info)

    def _parts(self) -> Sequence[RigPart]:
        """All that is said, the first to speak first."""
        given = [part for part in (*self._given, self._on_topic) if part is not None]
        transforms = self._transforms(given)
        said = [*given, transforms, self._camera_info]
        if self._parameters.extrinsics_from_tf:
            poses = RigPart(STATIC_TRANSFORMS, T_base_camera=transforms.T_base_camera, T_base_imu=transforms.T_base_imu)
            said.insert(0, poses)
        return [part for part in said if part is not None]

    def _transforms(self, given: Sequence[RigPart]) -> RigPart:
        """What /tf_static says; see transforms_part."""
        base, camera, imu = self._parameters.base_frame, self._frames['camera'], self._frames['IMU']
        try:
            part = transforms_part(
                self._tree.lookup(base, camera) if camera else None,
                self._tree.lookup(base, imu) if imu else None,
                self._tree.lookup(BASE_FOOTPRINT, base),
                STATIC_TRANSFORMS,
                given,
            )
        except CalibrationError as error:
            self._errors[STATIC_TRANSFORMS] = str(error)
            return RigPart(STATIC_TRANSFORMS)
        self._errors.pop(STATIC_TRANSFORMS, None)
        return part

    def _poses_missing(self) -> list[str]:
        """Sensors whose pose must come from /tf_static, and has not. Of Kalibr's IMU in the camera, one is enough."""
        parts = self._parts()
        if self._parameters.extrinsics_from_tf:
            parts = parts[:1]
        names = {'camera': 'T_base_camera', 'IMU': 'T_base_imu'}
        left = [sensor for sensor, name in names.items() if all(getattr(part, name) is None for part in parts)]
        tied = any(part.T_camera_imu is not None for part in parts)
        return [] if tied and len(left) == 1 else left

    def _rig_topic_may_tell(self) -> bool:
        unsaid = any(all(getattr(part, name) is None for part in self._given) for name in ON_RIG_TOPIC)
        return unsaid and self._on_topic is None and self._node.count_publishers(self._topic('rig')) > 0

    def _topic(self, name: str) -> str:
        return str(self._node.resolve_topic_name(name))

    def _words_for_poses(self) -> str:
        base, words = self._parameters.base_frame, []
        sensors = self._poses_missing()
        if STATIC_TRANSFORMS in self._errors:
            return self._errors[STATIC_TRANSFORMS]
        for sensor in sensors:
            frame = self._frames[sensor]
            if frame:
                words.append(f'the transform {base} -> {frame} of the {sensor}')
            else:
                words.append(f'the frame of the {sensor}: no message yet, or its header.frame_id is empty')
        there = listed(self._tree.frames) or 'none'
        return f'missing {" and ".join(words)} (frames on {STATIC_TRANSFORMS}: {there}{self._refused})'

    def _words_for_camera(self) -> str:
        topic = self._topic('camera_info')
        if topic in self._errors:
            return self._errors[topic]
        publishers = self._node.count_publishers(topic)
        return (
            f'no camera_info on {topic} (publishers: {publishers}): publish it, remap camera_info, or give the '
            'intrinsics in a rig file (parameter rig)'
        )

    def _words_for_height(self) -> str:
        if STATIC_TRANSFORMS in self._errors:
            return self._errors[STATIC_TRANSFORMS]
        base = self._parameters.base_frame
        return (
            "the camera's height over the ground is not known: set camera_height, or publish the transform "
            f'{BASE_FOOTPRINT} (on the ground) -> {base} on {STATIC_TRANSFORMS}'
        )
