"""The robot as the node learns it, over real DDS: camera_info, /tf_static, the topic rig, parameters; and what it says
while something is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from geometry_msgs.msg import TransformStamped
from rclpy.qos import DurabilityPolicy, QoSProfile
from ros_graph import PATIENT, Graph, graph
from samples.road_images import CAMERA_HEIGHT, HEIGHT, WIDTH, K, road_image
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import String
from tf2_msgs.msg import TFMessage

from atvio_ros.message_decoding import image_pixels
from atvio_ros.msg import OdometryStatus

SPEED = 6.0  # m/s
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LOOKING_FORWARD = (-0.5, 0.5, -0.5, 0.5)
NO_TURN = (0.0, 0.0, 0.0, 1.0)
WITHOUT_ROBOT = {name: value for name, value in PATIENT.items() if name not in ('rig', 'model')}


class Robot:
    """A robot that drives straight on, and what it publishes of itself."""

    def __init__(self, peer: Graph) -> None:
        self.peer = peer
        self._camera_info = peer.node.create_publisher(CameraInfo, 'camera_info', 100)
        self._kept: list[Any] = []  # latched messages live as long as their publishers

    def describe_camera(self, **changes: Any) -> None:
        """One CameraInfo; it is sent again until the node has it, for nothing else tells that it is connected."""
        message = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model='plumb_bob', d=[0.0] * 5, k=K)
        for field, value in changes.items():
            setattr(message, field, value)
        self.peer.wait_for(lambda: self._camera_info.get_subscription_count() > 0, 'nobody wants camera_info')
        self._camera_info.publish(message)

    def latch(self, kind: Any, topic: str, message: Any) -> None:
        """Publish once, for whoever comes."""
        self._kept.append(self.peer.node.create_publisher(kind, topic, LATCHED))
        self._kept[-1].publish(message)

    def describe_places(self, *links: TransformStamped) -> None:
        """On /tf_static, of the frames that the messages of Graph have."""
        self.latch(TFMessage, '/tf_static', TFMessage(transforms=list(links)))

    def begin(self, first: int = 0) -> int:
        """Drive until there is odometry: what is latched takes its time to arrive. Gives the next frame's number."""
        for i in range(first, first + 1000):
            self.drive(i, 1)
            with suppress(AssertionError):
                self.peer.wait_for(lambda: bool(self.peer.odometry), 'not yet', 0.2)
                return i + 1
        raise AssertionError(f'there is no odometry: {self.peer.status}')

    def drive(self, first: int, frames: int) -> None:
        """Images of the road, and IMU readings without a turn."""
        for i in range(first, first + frames):
            self.peer.see(i, data=road_image(SPEED * i / 10).tobytes())
            self.peer.feel(i, rate=0.0)


@contextmanager
def robot(**parameters: Any) -> Iterator[Robot]:
    """A node of which nothing is set beyond what loses no message, and its robot."""
    with graph(patient=False, **{**WITHOUT_ROBOT, **parameters}) as peer:
        yield Robot(peer)


def link(parent: str, child: str, z: float = 0.0, q: tuple[float, ...] = NO_TURN) -> TransformStamped:
    stamped = TransformStamped(child_frame_id=child)
    stamped.header.frame_id = parent
    stamped.transform.translation.z = z
    r = stamped.transform.rotation
    r.x, r.y, r.z, r.w = q
    return stamped


ON_GROUND = link('base_footprint', 'base_link', z=0.4)
CAMERA = link('base_link', 'camera', z=CAMERA_HEIGHT - 0.4, q=LOOKING_FORWARD)
IMU = link('base_link', 'imu_link')


def newest_speed(peer: Graph) -> float:
    return float(peer.odometry[-1].twist.twist.linear.x)


def test_camera_info_and_transforms_are_all_it_needs():
    with robot() as each:
        peer = each.peer
        each.describe_places(ON_GROUND, CAMERA, IMU)
        each.describe_camera()
        debug: list[Image] = []
        peer.node.create_subscription(Image, 'atvio_node/debug_image', debug.append, 10)
        last = each.begin() + 15
        each.drive(last - 15, 16)
        peer.wait_for(lambda: last in peer.frames(), 'odometry is missing')
        assert newest_speed(peer) == pytest.approx(SPEED, rel=0.05)
        status = peer.status_at(last)
        assert status.estimator.startswith('road (')
        assert abs(status.travel_pitch) < np.radians(1.0)
        assert 0.0 < status.travel_sigma < np.radians(3.0)
        peer.wait_for(
            lambda: peer.diagnostics.get('rig: camera_height [m]') == '1.65 (/tf_static)', 'no height in /diagnostics'
        )
        assert peer.diagnostics['rig: camera'] == '/camera_info'
        assert float(peer.diagnostics['speed [m/s]']) == pytest.approx(SPEED, rel=0.05)
        peer.wait_for(lambda: len(debug) > 0, 'no debug image')
        assert debug[-1].encoding == 'bgr8'
        assert image_pixels(debug[-1]).shape[1] > WIDTH


def test_without_a_height_it_waits_and_says_what_to_set_and_goes_on_when_it_comes():
    with robot() as each:
        peer = each.peer
        each.describe_places(CAMERA, IMU)
        each.describe_camera()
        each.drive(0, 3)
        status = peer.wait_for_words('set camera_height')
        assert status.state == OdometryStatus.STATE_WAITING
        assert 'base_footprint' in status.message
        assert set(peer.counts()) <= {'no_calibration', 'no_transform'}
        assert not peer.odometry
        each.describe_places(ON_GROUND)
        peer.wait_for(lambda: 'set camera_height' not in peer.status.message, 'the height was not taken')
        each.drive(10, 3)
        peer.wait_for(lambda: len(peer.odometry) >= 2, 'odometry is missing')


def test_a_camera_that_is_not_calibrated_or_not_described_is_said():
    with robot(
        camera_height=CAMERA_HEIGHT, base_to_camera=[0.0, 0.0, 0.0, *LOOKING_FORWARD], base_to_imu=[0.0] * 6 + [1.0]
    ) as each:
        peer = each.peer
        each.drive(0, 1)
        status = peer.wait_for_words('no camera_info on /camera_info (publishers: 1)')
        assert status.state == OdometryStatus.STATE_WAITING
        each.describe_camera(k=[0.0] * 9)
        peer.wait_for_words('K is all zeros')
        peer.wait_for(lambda: 'K is all zeros' in peer.diagnostics.get('', ''), '/diagnostics do not say it')
        each.describe_camera(distortion_model='bent')
        peer.wait_for_words('bent')
        each.describe_camera(width=WIDTH, height=3 * HEIGHT)
        each.drive(1, 1)
        peer.wait_for(lambda: peer.status.message.count('416x128') > 0, 'another size is not said')
        assert not peer.odometry
        each.describe_camera()
        each.begin(2)


def test_what_is_latched_on_rig_is_used():
    text = (
        f'camera_height: {CAMERA_HEIGHT}\nbase_to_camera: [0, 0, 0, -0.5, 0.5, -0.5, 0.5]\n'
        f'base_to_imu: [0, 0, 0, 0, 0, 0, 1]\ngyro_lag: 0.02\nwidth: {WIDTH}\nheight: {HEIGHT}\nk: {list(K)}\n'
    )
    with robot() as each:
        peer = each.peer
        each.latch(String, 'rig', String(data=text))
        peer.wait_for(lambda: peer.node.count_subscribers('rig') > 0, 'it does not listen')
        each.begin()
        peer.wait_for(lambda: peer.diagnostics.get('rig: gyro_lag [s]') == '0.02 (/rig)', 'the lag is not that of /rig')
        assert peer.diagnostics['rig: camera'] == '/rig'


def test_without_any_transform_it_assumes_the_poses_after_a_grace_time_and_says_so():
    with robot(camera_height=CAMERA_HEIGHT) as each:
        peer = each.peer
        each.describe_camera()
        each.begin()
        peer.process.wait_for_line('assumed, as neither parameters nor a rig file nor /tf_static say it')
        peer.wait_for(lambda: peer.diagnostics.get('rig: base_to_camera') == 'default', 'not said in /diagnostics')
        assert peer.count('no_transform') > 0


def test_a_camera_info_that_changes_is_told_and_degrades_until_it_is_as_at_the_start():
    with robot() as each:
        peer = each.peer
        each.describe_places(ON_GROUND, CAMERA, IMU)
        each.describe_camera()
        i = each.begin()
        peer.wait_for(
            lambda: peer.diagnostics.get('rig: changes of camera_info') == '0', 'the count is not in /diagnostics'
        )
        each.describe_camera(k=[1.2 * k for k in K[:8]] + [1.0])
        peer.process.wait_for_line('camera_info on /camera_info changed')
        each.drive(i, 1)
        peer.wait_for(lambda: i in peer.frames(), 'odometry is missing')
        status = peer.status_at(i)
        assert status.state == OdometryStatus.STATE_DEGRADED
        assert 'restart, or reconfigure' in status.message
        peer.wait_for(
            lambda: 'camera_info changed' in peer.diagnostics.get('', '').replace(' on /camera_info', ''),
            '/diagnostics do not say it',
        )
        assert peer.diagnostics['rig: changes of camera_info'] == '1'
        each.describe_camera()
        peer.wait_for(lambda: peer.diagnostics.get('rig: changes of camera_info') == '2', 'it was not seen to go back')
        peer.wait_for(lambda: 'changed' not in peer.diagnostics.get('', ''), 'it is still said')


def test_a_camera_that_sees_no_road_nearby_is_degraded_for_as_long_as_it_drives():
    up = link('base_link', 'camera', z=CAMERA_HEIGHT - 0.4, q=(-0.4685, 0.4685, -0.5296, 0.5296))  # 7 deg up
    with robot() as each:
        peer = each.peer
        each.describe_places(ON_GROUND, up, IMU)
        each.describe_camera()
        i = each.begin()
        peer.wait_for_words('the road comes into view')
        ticks = len(peer.ticks) + 4
        peer.wait_for(lambda: len(peer.ticks) >= ticks, 'no /diagnostics')  # longer than a warning that passes is kept
        each.drive(i, 1)
        peer.wait_for(lambda: i in peer.frames(), 'odometry is missing')
        status = peer.status_at(i)
        assert status.state == OdometryStatus.STATE_DEGRADED
        assert 'the road comes into view' in status.message
        peer.wait_for(lambda: 'the road comes into view' in peer.diagnostics.get('', ''), '/diagnostics do not say it')
