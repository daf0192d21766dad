"""`atvio check --live` over real DDS: what is published is recorded and judged by the rules that bags are judged by."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

import rclpy
from node_process import REPOSITORY, fresh_environment, release
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from samples.road_images import CAMERA_HEIGHT, HEIGHT, WIDTH, K, road_image
from sensor_msgs.msg import CameraInfo, Image, Imu
from std_msgs.msg import Header
from test_node_robot import CAMERA, IMU, ON_GROUND, SPEED
from tf2_msgs.msg import TFMessage

from atvio_ros.bags.topics import IMAGE_KIND
from atvio_ros.cli.main import main
from atvio_ros.ros import recorder
from atvio_ros.ros.conversions import stamp_from_ns

EPOCH_NS = 1_317_000_000_000_000_000
PICTURES = [road_image(SPEED * i / 10).tobytes() for i in range(16)]


class Driver:
    """A robot that publishes until the test ends. Its stamps are those of a drive without a fault, however slow the
    machine is.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment
        self.context = Context()
        rclpy.init(context=self.context, domain_id=int(environment['ROS_DOMAIN_ID']))
        self.node = Node('driver', context=self.context)
        self._latched: Any = None
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def describe(self) -> None:
        """Transforms of camera and IMU over the ground."""
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._latched = self.node.create_publisher(TFMessage, '/tf_static', latched)
        self._latched.publish(TFMessage(transforms=[ON_GROUND, CAMERA, IMU]))

    def drive(self, image: str, imu: str, camera_info: str = '') -> None:
        """Publish images at 10 Hz and IMU readings at 100 Hz on these topics; '' leaves one out."""
        images = self.node.create_publisher(Image, image, 100) if image else None
        readings = self.node.create_publisher(Imu, imu, 1000) if imu else None
        infos = self.node.create_publisher(CameraInfo, camera_info, 100) if camera_info else None

        def publish() -> None:
            k = 0
            while not self._stop.wait(0.01):
                stamp = stamp_from_ns(EPOCH_NS + k * 10_000_000)
                if readings:
                    reading = Imu(header=Header(stamp=stamp, frame_id='imu_link'))
                    reading.linear_acceleration.z = 9.81
                    readings.publish(reading)
                header = Header(stamp=stamp, frame_id='camera')
                if images and k % 10 == 0:
                    data = PICTURES[k // 10 % len(PICTURES)]
                    images.publish(
                        Image(header=header, height=HEIGHT, width=WIDTH, encoding='mono8', step=WIDTH, data=data)
                    )
                if infos and k % 10 == 0:
                    infos.publish(
                        CameraInfo(
                            header=header, width=WIDTH, height=HEIGHT, distortion_model='plumb_bob', d=[0.0] * 5, k=K
                        )
                    )
                k += 1

        self._threads.append(threading.Thread(target=publish, daemon=True))
        self._threads[-1].start()

    def check(self, *words: str) -> subprocess.CompletedProcess:
        """`atvio check` beside it."""
        command = [sys.executable, '-m', 'atvio_ros.cli', 'check', *words]
        return subprocess.run(
            command, env=self.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False
        )

    def close(self) -> None:
        """Stop publishing."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)


@contextmanager
def driver() -> Iterator[Driver]:
    environment = fresh_environment()
    made = Driver(environment)
    try:
        yield made
    finally:
        made.close()
        release(environment)


def one_line(robot: Driver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What `atvio check --live` says, in this process, when it fails."""
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE'):
        monkeypatch.setenv(name, robot.environment[name])
    assert main(['check', '--live', *words]) == 1
    said = capsys.readouterr()
    assert said.out == ''
    assert len(said.err.strip().splitlines()) == 1, said.err
    return str(said.err)


def test_what_is_published_is_judged_as_a_bag_is():
    with driver() as robot:
        robot.describe()
        robot.drive('front/image_raw', 'imu', 'front/camera_info')
        done = robot.check('--live', '--seconds', '3', '--json')
    found = {row['name']: row for row in json.loads(done.stdout)}
    assert done.returncode == int(any(row['status'] == 'error' for row in found.values()))
    assert all(row['advice'] for row in found.values() if row['status'] != 'ok')
    assert found['camera height']['text'] == f'{CAMERA_HEIGHT:.2f} m, from /tf_static'
    assert found['camera']['status'] == found['road in view']['status'] == 'ok'
    assert found['camera']['text'].startswith(f'{WIDTH}x{HEIGHT}')
    if 'imu' not in found:  # as it is where a busy machine has sent too little to judge
        assert found['imu: gravity']['status'] == found['imu: axes']['status'] == 'ok'
    assert 'ground truth' in found
    assert '3 s of /front/image_raw and /imu' in done.stderr


def test_several_topics_are_listed_and_one_can_be_chosen(monkeypatch, capsys):
    with driver() as robot:
        robot.drive('left/image_raw', 'imu', 'left/camera_info')
        robot.drive('right/image_raw', '')
        said = one_line(robot, monkeypatch, capsys)
        assert 'Several topics have images: /left/image_raw, /right/image_raw. Choose one with --image-topic' in said
        said = one_line(robot, monkeypatch, capsys, '--image-topic', 'imu')
        assert '/imu carries sensor_msgs/msg/Imu, not sensor_msgs/msg/Image' in said
        words = '--image-topic', 'right/image_raw', '--camera-info-topic', 'left/camera_info', '--camera-height', '1.5'
        found = json.loads(robot.check('--live', '--seconds', '1', '--json', *words).stdout)
    texts = {row['name']: row['text'] for row in found}
    assert texts['camera height'] == '1.50 m, from options'
    assert texts['camera'].startswith(f'{WIDTH}x{HEIGHT}')  # that of the other camera, as asked for


def test_what_nobody_publishes_and_what_never_comes_is_named(monkeypatch, capsys):
    with driver() as robot:
        robot.drive('', 'imu')
        with monkeypatch.context() as patience:
            patience.setattr(recorder, 'DISCOVERY_S', 3.0)
            assert 'Nobody publishes images (sensor_msgs/msg/Image or' in one_line(robot, patience, capsys)
        monkeypatch.setattr(recorder, 'FIRST_MESSAGES_S', 1.0)
        silent = robot.node.create_publisher(Image, 'camera/image_raw', 10)
        said = one_line(robot, monkeypatch, capsys)
        assert 'No images on /camera/image_raw' in said
        assert '1 on /camera/image_raw' in said
        robot.node.destroy_publisher(silent)


def test_of_images_raw_and_compressed_the_raw_ones_are_recorded_and_none_of_our_own():
    image, compressed = IMAGE_KIND.types
    types = {
        '/camera/image_raw': image,
        '/camera/image_raw/compressed': compressed,
        '/atvio_node/debug_image': image,
        '/imu': 'sensor_msgs/msg/Imu',
    }
    assert recorder._candidates(types, IMAGE_KIND, None) == ['/camera/image_raw']
    assert recorder._candidates(types, IMAGE_KIND, '/camera/image_raw/compressed') == ['/camera/image_raw/compressed']
    types['/rear/image_raw/compressed'] = compressed
    assert len(recorder._candidates(types, IMAGE_KIND, None)) == 2
