"""What the node makes of sources that describe its robot, message by message, with a clock of our own."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

import rclpy
from node_process import fresh_environment, release
from rclpy.context import Context
from rclpy.node import Node
from samples.road_images import CAMERA_HEIGHT, HEIGHT, WIDTH, K
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import String
from test_node_robot import CAMERA, IMU, LOOKING_FORWARD, ON_GROUND, link
from tf2_msgs.msg import TFMessage

from atvio_ros.errors import AtvioError
from atvio_ros.odometry.ledger import Reason
from atvio_ros.ros.camera_watch import CameraWatch
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.ros.rig_source import COMPLAINT_PERIOD_S, GRACE_S, RigSource

INFO = CameraInfo(width=WIDTH, height=HEIGHT, distortion_model='plumb_bob', d=[0.0] * 5, k=K)
POSES = {'base_to_camera': (0.0, 0.0, 0.0, *LOOKING_FORWARD), 'base_to_imu': (0.0,) * 6 + (1.0,)}
KALIBR = """
cam0:
  T_cam_imu: [[0, -1, 0, 0], [0, 0, -1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
  camera_model: pinhole
  distortion_coeffs: [0, 0, 0, 0]
  distortion_model: radtan
  intrinsics: [240, 240, 207.5, 56]
  resolution: [416, 128]
  rostopic: /camera/image_raw
  timeshift_cam_imu: 0.01
"""


@pytest.fixture(scope='module')
def node() -> Iterator[Node]:
    environment, context = fresh_environment(), Context()
    rclpy.init(context=context, domain_id=int(environment['ROS_DOMAIN_ID']))
    made = Node('probe', context=context)
    yield made
    made.destroy_node()
    rclpy.try_shutdown(context=context)
    release(environment)


class Listener:
    """A source that hears what a test tells it, at the time `now_s`."""

    def __init__(self, node: Node, needs_view: bool = True, **parameters) -> None:
        self.now_s = 100.0
        self.source = RigSource(node, NodeParameters(**parameters), needs_view, lambda: self.now_s)
        self.source.close()

    def see_first(self) -> None:
        self.source.see('camera', 'camera')
        self.source.see('IMU', 'imu_link')

    def hear(self, *links) -> None:
        self.source._on_static(TFMessage(transforms=list(links)))

    @property
    def sources(self) -> dict[str, str]:
        return self.source.combination().sources


def test_without_a_view_poses_are_waited_for_until_the_grace_time_is_over(node):
    each = Listener(node, needs_view=False)
    assert each.source.missing() is None  # no image yet
    each.see_first()
    missing = each.source.missing()
    assert missing.reason is Reason.NO_TRANSFORM
    assert 'base_link -> camera' in missing.text
    each.hear(CAMERA)
    assert 'base_link -> camera' not in each.source.missing().text
    assert 'base_link -> imu_link' in each.source.missing().text
    each.now_s += GRACE_S + 0.1
    assert each.source.missing() is None
    assumed = each.source.assumed(each.source.combination())
    assert 'base_to_imu' in assumed
    assert 'base_to_camera' not in assumed


def test_what_is_set_wins_over_transforms_and_the_difference_is_told(node):
    each = Listener(node, needs_view=False, **POSES)
    each.see_first()
    assert each.source.missing() is None
    each.hear(link('base_link', 'camera', z=1.0, q=LOOKING_FORWARD), IMU)
    combination = each.source.combination()
    assert combination.sources['T_base_camera'] == 'parameters'
    assert combination.rig.T_base_camera[2, 3] == 0.0
    assert any('/tf_static differs from parameters by 0.0 deg and 1.00 m' in text for text in combination.reports)


def test_extrinsics_from_tf_win_over_what_is_set_and_are_waited_for_without_a_limit(node):
    each = Listener(node, needs_view=False, extrinsics_from_tf=True, **POSES)
    assert each.source.missing().reason is Reason.NO_TRANSFORM
    each.see_first()
    each.now_s += 10 * GRACE_S
    assert 'base_link -> camera' in each.source.missing().text
    each.hear(CAMERA, IMU)
    assert each.source.missing() is None
    assert each.sources['T_base_camera'] == '/tf_static'


def test_camera_and_height_are_waited_for_without_a_limit(node):
    each = Listener(node, **POSES)
    each.see_first()
    each.now_s += 10 * GRACE_S
    assert 'no camera_info on /camera_info' in each.source.missing().text
    each.source._on_camera_info(CameraInfo())
    assert 'camera_info' in each.source.missing().text
    each.source._on_camera_info(INFO)
    assert 'set camera_height' in each.source.missing().text
    each.hear(link('base_footprint', 'base_link', z=-3.0))
    assert 'camera is 0.05 to 10 m over the ground' in each.source.missing().text
    each.hear(ON_GROUND, CAMERA)
    assert each.source.missing() is None
    rig = each.source.combination().rig
    assert rig.camera_height == pytest.approx(CAMERA_HEIGHT)
    np.testing.assert_array_equal(rig.camera.K, np.reshape(K, (3, 3)))


def test_the_topic_rig_comes_before_transforms_and_a_bad_one_is_left_out(node):
    each = Listener(node)
    each.see_first()
    each.hear(ON_GROUND, CAMERA, IMU)
    each.source._on_rig(String(data='camera_hight: 2.0'))
    assert each.sources['camera_height'] == '/tf_static'
    each.source._on_rig(String(data='camera_height: 2.0\ngyro_lag: 0.05'))
    assert each.sources['camera_height'] == each.sources['gyro_lag'] == '/rig'
    assert each.source.combination().rig.camera_height == 2.0


def test_a_flood_of_bad_messages_on_rig_is_told_every_few_seconds_and_a_long_one_is_not_read(node, monkeypatch):
    each = Listener(node)
    said: list[str] = []
    monkeypatch.setattr(node.get_logger(), 'error', said.append)
    for _ in range(20):
        each.source._on_rig(String(data='camera_hight: 2.0'))
    assert len(said) == 1
    each.now_s += COMPLAINT_PERIOD_S
    each.source._on_rig(String(data='[' * 100_000))
    assert 'has 100000 characters; a description of a robot has at most' in said[1]


def test_a_file_of_kalibr_ties_the_imu_to_the_camera(node, tmp_path):
    file = tmp_path / 'camchain-imucam.yaml'
    file.write_text(KALIBR)
    each = Listener(node, rig=str(file), camera_height=1.0)
    each.see_first()
    each.hear(CAMERA)
    assert each.source.missing() is None
    rig = each.source.combination().rig
    np.testing.assert_allclose(rig.R_base_imu, np.eye(3), atol=1e-9)
    assert abs(rig.imu_time_offset) == 0.01


@pytest.mark.parametrize('text', ['camera_height: 50', 'k: [1, 2]', 'height_of_camera: 1', '- 1'])
def test_a_file_that_cannot_be_used_is_refused_with_its_name(node, tmp_path, text):
    file = tmp_path / 'robot.yaml'
    file.write_text(text)
    with pytest.raises(AtvioError, match='robot') as refused:
        Listener(node, rig=str(file))
    assert '\n' not in str(refused.value)


def with_focal_length(factor: float, **changes) -> CameraInfo:
    k = np.array(K) * [factor, 1, 1, 1, factor, 1, 1, 1, 1]
    return CameraInfo(width=WIDTH, height=HEIGHT, distortion_model='plumb_bob', d=[0.0] * 5, k=k, **changes)


@pytest.mark.parametrize('first', [INFO, None], ids=['known at the start', 'the first to come'])
def test_a_camera_info_that_becomes_another_is_counted_and_one_calibrated_again_is_not(node, first):
    watch = CameraWatch(node, 'best_effort', False, first)
    watch.close()
    for same in (INFO, INFO, with_focal_length(1.001)):
        watch.take(same)
    assert (watch.changes, watch.words) == (0, '')
    for times, other in enumerate((with_focal_length(1.2), CameraInfo(), with_focal_length(1.2)), start=1):
        watch.take(other)
        watch.take(other)
        assert watch.changes == times
        assert watch.words.startswith('camera_info on /camera_info changed')
    watch.take(INFO)
    assert (watch.changes, watch.words) == (4, '')


def test_of_ten_thousand_frames_a_few_are_named(node):
    each = Listener(node, needs_view=False, extrinsics_from_tf=True)
    each.hear(*(link('base_link', f'frame_{i}_' + 'x' * (i % 500)) for i in range(10_000)))
    each.see_first()
    text = each.source.missing().text
    assert 'and 9989 more' in text
    assert len(text) < 1200


@pytest.mark.parametrize('far', [1e10, 1e160, 1.7e308])
def test_links_too_long_to_reckon_with_are_refused_by_name(node, far):
    each = Listener(node, needs_view=False, extrinsics_from_tf=True)
    each.see_first()
    each.hear(link('base_link', 'mast', z=far), link('mast', 'camera', z=far), IMU)
    assert 'refused: ' in each.source.missing().text
    assert 'mast -> camera' in each.source.missing().text
    each.hear(link('base_link', 'mast', z=9e8), link('mast', 'camera', z=9e8))  # too far for a robot
    assert 'is 1.8e+09 m away; sensors of a robot sit within 1000 m' in each.source.missing().text
    each.hear(CAMERA)
    assert each.source.missing() is None
