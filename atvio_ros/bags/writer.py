"""Writes bags (mcap) with `rosbags`, no ROS needed. A bag gets its name only once it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from rosbags.interfaces import Connection, Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer, WriterError
from rosbags.typesys import TypesysError, get_types_from_msg

from atvio_ros import messages
from atvio_ros.bags.topics import (
    BASE_FRAME,
    CAMERA_FRAME,
    CAMERA_INFO_TOPIC,
    GROUND_TRUTH_TOPIC,
    IMAGE_TOPIC,
    IMU_FRAME,
    IMU_TOPIC,
    ODOM_FRAME,
    ODOMETRY_TOPIC,
    PATH_TOPIC,
    POSE_TOPIC,
    RIG_TOPIC,
    STATIC_TRANSFORM_TOPIC,
    TRANSFORM_TOPIC,
    TRUTH_PATH_TOPIC,
)
from atvio_ros.bags.typestore import TYPESTORE, RosbagsMessages, standard_types
from atvio_ros.cdr_writing import OdometryCdr, PosesCdr, TransformCdr
from atvio_ros.errors import BagError
from atvio_ros.files import Draft, reporting
from atvio_ros.geometry import quaternion
from atvio_ros.types import FloatArray, ImageArray, ImuSample, OdometryEstimate, Trajectory

# Version 9 writes QoS in a form that Humble cannot parse; every distribution from Humble on reads version 8.
METADATA_VERSION: Literal[8] = 8
INFINITE = QosTime(9223372036, 854775807)  # RMW_DURATION_INFINITE


def reliable(depth: int, durability: QosDurability = QosDurability.VOLATILE) -> Qos:
    """QoS stored with a topic, which `ros2 bag play` then offers: reliable, so that best-effort readers match too."""
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=depth,
        reliability=QosReliability.RELIABLE,
        durability=durability,
        deadline=INFINITE,
        lifespan=INFINITE,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=INFINITE,
        avoid_ros_namespace_conventions=False,
    )


STREAM_QOS = reliable(depth=10)
LATCHED_QOS = reliable(depth=1, durability=QosDurability.TRANSIENT_LOCAL)
TOPIC_QOS = {
    IMU_TOPIC: reliable(depth=1000),
    TRANSFORM_TOPIC: reliable(depth=100),
    STATIC_TRANSFORM_TOPIC: LATCHED_QOS,
    RIG_TOPIC: LATCHED_QOS,
    TRUTH_PATH_TOPIC: LATCHED_QOS,
}


class BagWriter:
    """Context manager that writes a rosbag2 folder at `path`, which must not exist yet, or a single .mcap file there.

    The file, which `ros2 bag play` plays and Foxglove opens as it is, replaces an older one. Either gets its name on
    success; on an exception all of it is removed. A message is logged at its header stamp; readers sort by that, so
    streams may be written in any order. Raises BagError when the folder exists, FileError when it cannot be written.
    """

    def __init__(self, path: Path, *, single_file: bool = False) -> None:
        self._path = path
        self._single_file = single_file
        self._make = RosbagsMessages()
        self._draft = Draft(path)
        self._folder = Path()  # that rosbags writes to
        self._connections: dict[tuple[str, str], Connection] = {}
        if path.exists() and not single_file:
            raise BagError(f'{path} exists already. Remove it or choose another name: bags are never overwritten.')

    def __enter__(self) -> BagWriter:
        with reporting(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            draft = stack.enter_context(self._draft)
            with reporting(self._path):
                self._folder = draft.path.with_name(f'{draft.path.name}.bag') if self._single_file else draft.path
                # Made by hand, not by its own context manager: on an exception there must be no bag at all.
                self._writer = Writer(self._folder, version=METADATA_VERSION, storage_plugin=StoragePlugin.MCAP)
                if self._single_file:  # which is made to be looked at: its paths repeat themselves
                    self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
                self._writer.open()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._stack:  # removes what has not got its name, whatever happens
            if kind is not None:
                with suppress(OSError):  # on a full disk closing fails, too; the first error is the one to report
                    self._writer.abort()
                return
            with reporting(self._path):
                self._writer.close()
                if self._single_file:
                    next(self._folder.glob('*.mcap')).rename(self._draft.path)
            self._draft.publish(replace=self._single_file)

    def write_image(
        self, stamp_ns: int, image: ImageArray, frame_id: str = CAMERA_FRAME, *, topic: str = IMAGE_TOPIC
    ) -> None:
        """An image (H, W), written as mono8, or (H, W, 3) in RGB order, written as rgb8."""
        self._write(topic, stamp_ns, messages.image(self._make, stamp_ns, frame_id, image))

    def write_camera_info(
        self,
        stamp_ns: int,
        width: int,
        height: int,
        intrinsics: tuple[float, float, float, float],
        frame_id: str = CAMERA_FRAME,
        distortion_model: str = 'plumb_bob',
        d: FloatArray | None = None,
    ) -> None:
        """The camera of raw images; intrinsics are fx, fy, cx, cy [px], size in px, `d` the lens (None: straight)."""
        message = messages.camera_info(self._make, stamp_ns, frame_id, width, height, intrinsics, distortion_model, d)
        self._write(CAMERA_INFO_TOPIC, stamp_ns, message)

    def write_imu(self, sample: ImuSample, frame_id: str = IMU_FRAME) -> None:
        """One reading; orientation is marked unknown."""
        self._write(IMU_TOPIC, sample.stamp_ns, messages.imu(self._make, sample, frame_id))

    def write_ground_truth(self, stamp_ns: int, T_odom_base: FloatArray) -> None:
        """The true pose (4, 4) of base_link in odom."""
        message = messages.pose_odometry(self._make, stamp_ns, T_odom_base, ODOM_FRAME, BASE_FRAME)
        self._write(GROUND_TRUTH_TOPIC, stamp_ns, message)

    def write_static_transforms(self, stamp_ns: int, transforms: Mapping[tuple[str, str], FloatArray]) -> None:
        """{(parent, child): T_parent_child (4, 4)}, all in one message: a late reader of /tf_static gets the last."""
        stamped = [
            messages.transform_stamped(self._make, stamp_ns, parent, child, T_parent_child)
            for (parent, child), T_parent_child in transforms.items()
        ]
        self._write(STATIC_TRANSFORM_TOPIC, stamp_ns, messages.tf_message(self._make, stamped))

    def write_rig(self, stamp_ns: int, text: str) -> None:
        """What camera_info and the transforms cannot say of the robot: the text of a rig.yaml, latched, on /rig."""
        self._write(RIG_TOPIC, stamp_ns, messages.string(self._make, text))

    def write_odometry(
        self, estimate: OdometryEstimate, odom_frame: str = ODOM_FRAME, base_frame: str = BASE_FRAME
    ) -> None:
        """An estimate as the node publishes it: /odometry, and odom -> base_link on /tf."""
        stamp_ns, T = estimate.stamp_ns, estimate.T_odom_base
        position, orientation = tuple(T[:3, 3].tolist()), tuple(quaternion(T[:3, :3]).tolist())
        odometry = OdometryCdr(odom_frame, base_frame).message(
            stamp_ns,
            position,
            orientation,
            estimate.pose_covariance,
            tuple(estimate.linear_velocity.tolist()),
            tuple(estimate.angular_velocity.tolist()),
            estimate.twist_covariance,
        )
        self.write_raw(ODOMETRY_TOPIC, messages.ODOMETRY, stamp_ns, odometry)
        transform = TransformCdr(odom_frame, base_frame).message(stamp_ns, position, orientation)
        self.write_raw(TRANSFORM_TOPIC, messages.TF_MESSAGE, stamp_ns, transform)

    def write_poses(self, trajectory: Trajectory, frame_id: str = ODOM_FRAME) -> None:
        """Poses of base_link, each as geometry_msgs/PoseStamped on /odometry/pose."""
        poses = PosesCdr(frame_id, trajectory)
        for index, stamp_ns in enumerate(trajectory.stamps_ns.tolist()):
            self.write_raw(POSE_TOPIC, messages.POSE_STAMPED, stamp_ns, poses.pose(index))

    def write_path(
        self,
        trajectory: Trajectory,
        frame_id: str = ODOM_FRAME,
        *,
        stamp_ns: int | None = None,
        topic: str = PATH_TOPIC,
    ) -> None:
        """A trajectory as one nav_msgs/Path, at its last stamp where no other is given."""
        stamp_ns = int(trajectory.stamps_ns[-1]) if stamp_ns is None else stamp_ns
        self.write_raw(topic, messages.PATH, stamp_ns, PosesCdr(frame_id, trajectory).path(stamp_ns))

    def write_raw(
        self,
        topic: str,
        type_name: str,
        stamp_ns: int,
        cdr: bytes,
        *,
        message_definition: str | None = None,
        latched: bool = False,
    ) -> None:
        """A serialised message, as received, logged at stamp_ns; `latched` topics are played transient local.

        A type that is not a standard one needs its definition: the .msg text, then those of the types it uses that are
        not standard either, each behind a line of 80 `=` and one of `MSG: package/Name`.
        """
        connection = self._connections.get((topic, type_name))
        try:
            with reporting(self._path):
                if connection is None:
                    connection = self._add_connection(topic, type_name, message_definition, latched)
                    self._connections[topic, type_name] = connection
                self._writer.write(connection, stamp_ns, cdr)
        except (WriterError, TypesysError) as error:
            raise BagError(
                f'{topic} ({type_name}) cannot be recorded: {error}. Check the definition of its type.'
            ) from error

    def _write(self, topic: str, stamp_ns: int, message: Any) -> None:
        self.write_raw(topic, message.__msgtype__, int(stamp_ns), self._make.serialize(message))

    def _add_connection(self, topic: str, type_name: str, message_definition: str | None, latched: bool) -> Connection:
        typestore = TYPESTORE
        if message_definition is not None:
            typestore = standard_types()  # a fresh one: the type must not outlive this bag
            typestore.register(
                {
                    name: fields
                    for name, fields in get_types_from_msg(message_definition, type_name).items()
                    if name not in TYPESTORE.types
                }
            )
        if type_name not in typestore.types:
            raise BagError(f'{topic} has the type {type_name}, which is not a standard one: give its definition.')
        return self._writer.add_connection(
            topic,
            type_name,
            typestore=typestore,
            offered_qos_profiles=[LATCHED_QOS if latched else TOPIC_QOS.get(topic, STREAM_QOS)],
        )
