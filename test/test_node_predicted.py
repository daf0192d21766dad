"""odometry/predicted of the real node, over real DDS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from nav_msgs.msg import Odometry
from node_answers import FRAME_NS
from ros_graph import IMU_NS, RIG, Graph, graph

from atvio_ros.geometry import from_quaternion, transform
from atvio_ros.message_decoding import stamp_ns
from atvio_ros.odometry.predictor import OdometryPredictor, PredictionSettings
from atvio_ros.rig.combine import combine
from atvio_ros.rig.rig_yaml import read_rig
from atvio_ros.types import ImuSample, OdometryEstimate, RelativeMotion

FORWARD = 'samples.nodes.forward'
RATE, FORCE = 0.3, 9.81  # of every reading


class Drive:
    """Sends images one by one, each with its odometry awaited, and keeps what is predicted."""

    def __init__(self, peer: Graph) -> None:
        self.peer = peer
        self.predicted: list[Odometry] = []
        peer.node.create_subscription(Odometry, 'odometry/predicted', self.predicted.append, 1000)
        peer.wait_for(lambda: peer.node.count_publishers('odometry/predicted') == 1, 'nobody predicts')

    def go(self, first: int, frames: int) -> None:
        """Each image is answered before the readings behind it are sent, so that what is known when is certain."""
        for i in range(first, first + frames):
            self.peer.see(i)
            self.peer.feel(i, range(1), rate=RATE)
            if i > first:
                self.peer.status_at(i)
            self.peer.feel(i, range(1, 10), rate=RATE)

    def wait_for(self, count: int) -> None:
        self.peer.wait_for(lambda: len(self.predicted) >= count, f'{count} predictions are expected')
        assert len(self.predicted) == count

    @property
    def stamps(self) -> list[int]:
        """In readings since image 0."""
        return [(stamp_ns(each.header.stamp) - self.peer.epoch_ns) // IMU_NS for each in self.predicted]


@pytest.fixture(scope='module')
def predicting() -> Iterator[Drive]:
    with graph(FORWARD, publish_predicted=True, predicted_tf=True) as peer:
        yield Drive(peer)


@pytest.fixture
def drive(predicting: Drive) -> Drive:
    predicting.peer.begin()
    predicting.predicted.clear()
    return predicting


def estimate_of(message: Odometry) -> OdometryEstimate:
    p, q = message.pose.pose.position, message.pose.pose.orientation
    v, w = message.twist.twist.linear, message.twist.twist.angular
    return OdometryEstimate(
        stamp_ns(message.header.stamp), transform(from_quaternion(q.x, q.y, q.z, q.w), np.array([p.x, p.y, p.z])),
        np.array([v.x, v.y, v.z]), np.array([w.x, w.y, w.z]), np.array(message.pose.covariance).reshape(6, 6),
        np.array(message.twist.covariance).reshape(6, 6), RelativeMotion(np.eye(4)),
    )  # fmt: skip


def numbers(message: Odometry) -> list[float]:
    p, q = message.pose.pose.position, message.pose.pose.orientation
    v, w = message.twist.twist.linear, message.twist.twist.angular
    return [p.x, p.y, p.z, q.x, q.y, q.z, q.w, v.x, v.y, v.z, w.x, w.y, w.z]


def test_it_is_what_the_same_class_makes_of_the_same_readings_offline(drive):
    """And there is one message for every reading that was fed, in the frames of the odometry."""
    drive.go(0, 16)
    drive.wait_for(149)  # readings 11 to 159
    assert drive.stamps == list(range(11, 160))
    assert {(m.header.frame_id, m.child_frame_id) for m in drive.predicted} == {('odom', 'base_link')}
    predictor = OdometryPredictor(combine([read_rig(Path(RIG), False)]).rig, PredictionSettings(0.1, 1.0, 400.0))
    estimates = {stamp_ns(each.header.stamp): estimate_of(each) for each in drive.peer.odometry}
    expected = []
    for k in range(160):
        at_ns = drive.peer.epoch_ns + k * IMU_NS
        reading = ImuSample(at_ns, np.array([0.0, 0.0, RATE]), np.array([0.0, 0.0, FORCE]))
        if (made := predictor.add(reading)) is not None:
            expected.append(made)
        if at_ns in estimates:
            predictor.update(estimates[at_ns])
    assert len(expected) == len(drive.predicted)
    for message, made in zip(drive.predicted, expected, strict=True):
        assert stamp_ns(message.header.stamp) == made.stamp_ns
        made_numbers = [*made.position, *made.orientation, *made.linear_velocity, *made.angular_velocity]
        np.testing.assert_allclose(numbers(message), made_numbers, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(message.pose.covariance, made.pose_covariance, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(message.twist.covariance, made.twist_covariance, rtol=1e-9, atol=1e-12)


def test_tf_says_the_same_and_nothing_else(drive):
    drive.go(0, 4)
    drive.wait_for(29)
    drive.peer.wait_for(lambda: len(drive.peer.transforms) >= 29, 'TF is missing')
    for message, stamped in zip(drive.predicted, drive.peer.transforms, strict=True):
        t, q = stamped.transform.translation, stamped.transform.rotation
        assert (stamped.header, stamped.child_frame_id) == (message.header, message.child_frame_id)
        assert [t.x, t.y, t.z, q.x, q.y, q.z, q.w] == numbers(message)[:7]
    assert 'broadcasts' not in drive.peer.diagnostics['']  # the node does not take itself for another


def test_after_a_reset_there_is_none_until_the_next_odometry(drive):
    drive.go(0, 3)
    drive.wait_for(19)
    drive.peer.call_reset()
    drive.predicted.clear()
    drive.go(3, 3)
    drive.wait_for(19)
    assert drive.stamps == list(range(41, 60))
    assert abs(numbers(drive.predicted[0])[0]) < 2.0  # metres: it began at the origin


def test_while_paused_there_is_none(drive):
    drive.go(0, 3)
    drive.wait_for(19)
    drive.peer.call_pause(True)
    drive.predicted.clear()
    drive.peer.drive(3, 2)
    drive.peer.wait_until_all_is_received()
    assert not drive.predicted
    drive.peer.call_pause(False)


def test_they_end_when_the_odometry_is_lost(drive):
    drive.go(0, 2)
    drive.wait_for(9)
    for i in range(2, 14):  # no images
        drive.peer.feel(i, rate=RATE)
    drive.peer.wait_until_all_is_received()
    drive.wait_for(9 + 91)
    assert drive.stamps[-1] == FRAME_NS // IMU_NS + 100  # a second after the last image
