"""Tiny bags in every form, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from rosbags import rosbag1, rosbag2
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from atvio_ros import messages
from atvio_ros.bags.reader import BagReader
from atvio_ros.bags.typestore import TYPESTORE, RosbagsMessages
from atvio_ros.bags.writer import BagWriter
from atvio_ros.geometry import R_BODY_OPTICAL, transform, translation
from atvio_ros.types import ImuSample

START_NS = 1_317_646_534_997_992_704
FRAME_NS = 103_700_001
IMU_PER_FRAME = 4
FRAMES = 3
T_BASE_CAMERA = transform(R_BODY_OPTICAL, np.array([1.08, -0.32, 0.73]))
INTRINSICS = (14.0, 14.5, 8.0, 6.0)
MAKE = RosbagsMessages()


def image(index: int) -> np.ndarray:
    return np.random.default_rng(index).integers(0, 255, (12, 16), dtype=np.uint8)


def imu_samples() -> list[ImuSample]:
    """Readings at the images and between them, each one different."""
    stamps_ns = START_NS + np.arange(IMU_PER_FRAME * (FRAMES - 1) + 1) * FRAME_NS // IMU_PER_FRAME
    return [
        ImuSample(int(stamp_ns), np.array([0.1, 0.2, i / 7]), np.array([i / 3, 0.0, 9.81]))
        for i, stamp_ns in enumerate(stamps_ns)
    ]


def frame_stamps_ns() -> list[int]:
    return [START_NS + i * FRAME_NS for i in range(FRAMES)]


def write_drive(path: Path, *, images: bool = True, imu: bool = True, truth: bool = True) -> Path:
    """A drive of 3 images, as this package writes it."""
    with BagWriter(path) as bag:
        bag.write_static_transforms(
            START_NS, {('base_link', 'camera'): T_BASE_CAMERA, ('base_link', 'imu_link'): np.eye(4)}
        )
        for sample in imu_samples() if imu else ():
            bag.write_imu(sample)
        for i, stamp_ns in enumerate(frame_stamps_ns()):
            if images:
                bag.write_image(stamp_ns, image(i))
                bag.write_camera_info(stamp_ns, 16, 12, INTRINSICS)
            if truth:
                bag.write_ground_truth(stamp_ns, translation(float(i), 0.0, 0.0))
    return path


def drive_messages() -> list[tuple[str, int, Any]]:
    """(topic, stamp, message) of the same drive, under topic names of others."""
    result = [('/imu', sample.stamp_ns, messages.imu(MAKE, sample, '/imu_link')) for sample in imu_samples()]
    for i, stamp_ns in enumerate(frame_stamps_ns()):
        result.append(('/left/image', stamp_ns, messages.image(MAKE, stamp_ns, '/cam0', image(i))))
        info = messages.camera_info(MAKE, stamp_ns, '/cam0', 16, 12, INTRINSICS)
        result.append(('/left/camera_info', stamp_ns, info))
        pose = messages.pose_stamped(MAKE, stamp_ns, '/world', translation(float(i), 0.0, 0.0))
        result.append(('/truth', stamp_ns, pose))
    static = messages.transform_stamped(MAKE, START_NS, '/base_link', '/cam0', T_BASE_CAMERA)
    return [*result, ('/tf_static', START_NS, messages.tf_message(MAKE, [static]))]


def write_rosbag2(path: Path, stream: list[tuple[str, int, Any]], plugin: str = 'sqlite3', **compression: Any) -> Path:
    """Messages as another program records them: plugin 'sqlite3' or 'mcap'."""
    writer = rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin[plugin.upper()])
    if compression:
        writer.set_compression(**compression)
    with writer:
        connections: dict[str, Any] = {}
        for topic, stamp_ns, message in stream:
            if topic not in connections:
                connections[topic] = writer.add_connection(topic, message.__msgtype__, typestore=TYPESTORE)
            writer.write(connections[topic], stamp_ns, TYPESTORE.serialize_cdr(message, message.__msgtype__))
    return path


def write_rosbag1(path: Path, stream: list[tuple[str, int, Any]], compression: str | None = None) -> Path:
    """The same messages as a ROS 1 bag."""
    ros1 = get_typestore(Stores.ROS1_NOETIC)
    ros1.register(get_types_from_msg('geometry_msgs/TransformStamped[] transforms', messages.TF_MESSAGE))
    writer = rosbag1.Writer(path)
    if compression:
        writer.set_compression(rosbag1.Writer.CompressionFormat[compression])
    with writer:
        connections: dict[str, Any] = {}
        for topic, stamp_ns, message in stream:
            if topic not in connections:
                latching = 1 if topic == '/tf_static' else None
                connections[topic] = writer.add_connection(
                    topic, message.__msgtype__, typestore=ros1, latching=latching
                )
            cdr = TYPESTORE.serialize_cdr(message, message.__msgtype__)
            writer.write(connections[topic], stamp_ns, TYPESTORE.cdr_to_ros1(cdr, message.__msgtype__))
    return path


def read_all(path: Path) -> None:
    """Everything that can be read from a bag."""
    with BagReader(path) as bag:
        for _ in bag.events():
            pass
        for _ in bag.raw_messages():
            pass
        bag.camera_info()
        bag.static_transforms()
        if bag.topics.ground_truth:
            bag.ground_truth()
