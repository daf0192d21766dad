"""The real node in its own process, over real DDS: what it publishes, its diagnostics and its services."""

import re

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_answers import FRAME_NS

from atvio_ros.message_decoding import stamp_ns
from atvio_ros.msg import OdometryStatus
from atvio_ros.srv import ResetToPose


def test_every_frame_after_the_first_gives_one_odometry_with_its_stamp(node):
    node.drive(0, 6)
    node.wait_for_odometry(5)
    assert [stamp_ns(m.header.stamp) for m in node.odometry] == [node.epoch_ns + i * FRAME_NS for i in range(1, 6)]
    assert {(m.header.frame_id, m.child_frame_id) for m in node.odometry} == {('odom', 'base_link')}
    assert all(m.pose.covariance[i] > 0 and m.twist.covariance[i] > 0 for m in node.odometry for i in (0, 7, 14, 35))


def test_tf_says_the_same_as_odometry(node):
    node.drive(0, 4)
    node.wait_for_odometry(3)
    node.wait_for(lambda: len(node.transforms) >= 3, 'TF is missing')
    for message, position, stamped in zip(node.odometry, node.positions(), node.transforms, strict=True):
        t = stamped.transform.translation
        assert stamped.header == message.header
        assert stamped.child_frame_id == message.child_frame_id
        np.testing.assert_array_equal(position, [t.x, t.y, t.z])


def test_twist_is_the_motion_over_the_interval_in_base_link(node):
    node.drive(0, 3)
    node.wait_for_odometry(2)
    v = node.odometry[0].twist.twist.linear  # from the origin, where odom and base_link coincide; rotation is small
    expected = node.positions()[0] / (FRAME_NS * 1e-9)
    np.testing.assert_allclose([v.x, v.y, v.z], expected, atol=0.05 * np.linalg.norm(expected) + 1e-3)


def test_every_image_and_every_reading_is_accounted_for(node):
    node.drive(0, 5)
    node.wait_for_odometry(4)
    node.wait_until_all_is_received()
    node.wait_for(
        lambda: (
            node.status.images_received == node.images_sent
            and node.status.imu_received == node.imu_sent
            and node.status.images_received == node.status.frames_processed + node.status.frames_dropped
        ),
        'images received and images accounted for differ',
    )


def test_diagnostics_tell_rates_latencies_drops_and_the_model(node):
    node.wait_until_all_is_received()
    before = len(node.ticks) - 1
    node.drive(0, 20)
    node.wait_for_odometry(19)
    node.wait_until_all_is_received()
    figures = node.diagnostics
    ticks = node.ticks[before:]
    elapsed_s = np.diff([each.at_s for each in ticks])
    for name, sent in (('image rate [Hz]', 20), ('IMU rate [Hz]', 200)):
        received = elapsed_s @ [float(each.figures[name]) for each in ticks[1:]]
        assert sent / 2 < received < 2 * sent  # a busy machine may stop the node between a count and its stamp
    assert figures['IMU samples per pair'].split(' to ')[0] in ('11', '12')  # 100 Hz, 10 Hz, both ends bracketed
    for name in ('inference p50 / p99 [ms]', 'end-to-end p50 / p99 [ms]'):
        p50, p99 = map(float, figures[name].split(' / '))
        assert 0.0 < p50 <= p99
    assert int(figures['dropped: first_image']) >= 1
    assert figures['device'] == 'cpu'
    assert re.search(r'\([0-9a-f]{12}\)', figures['model'])
    assert {'frame pairs waiting', 'age of the oldest [ms]', 'images waiting for IMU'} <= set(figures)


def test_paused_it_drops_and_counts_and_then_goes_on(node):
    before = node.count('paused')
    node.call_pause(True)
    try:
        node.drive(0, 4)
        node.wait_for_count('paused', before + 3)
        node.wait_for_state(OdometryStatus.STATE_PAUSED)
        assert not node.odometry
    finally:
        node.call_pause(False)
    node.drive(5, 3)
    node.wait_for_odometry(2)


def test_reset_starts_at_the_origin(node):
    node.drive(0, 4)
    node.wait_for_odometry(3)
    step = np.linalg.norm(node.positions()[0])
    node.call_reset()
    node.drive(4, 3)
    node.wait_for_odometry(2)
    assert np.linalg.norm(node.positions()[0]) < 3 * step + 0.01


def test_reset_to_pose_goes_on_from_there_with_that_covariance(node):
    request = ResetToPose.Request()
    request.pose.pose.position.x = 100.0
    request.pose.pose.orientation.z = request.pose.pose.orientation.w = np.sqrt(0.5)  # base x along odom y
    request.pose.covariance = np.diag([4.0, 4.0, 4.0, 0.01, 0.01, 0.01]).reshape(-1)
    assert node.call(ResetToPose, 'reset_to_pose', request).success
    node.drive(0, 3)
    node.wait_for_odometry(2)
    v = node.odometry[0].twist.twist.linear
    moved = (node.positions()[0] - [100.0, 0.0, 0.0]) / (FRAME_NS * 1e-9)
    np.testing.assert_allclose(moved, [-v.y, v.x, v.z], atol=0.05 * np.linalg.norm(moved) + 1e-3)
    assert 4.0 < node.variances()[0] < 5.0


@pytest.mark.parametrize(
    ('w', 'x', 'variance', 'reason'),
    [
        (0.0, 0.0, 0.0, 'unit quaternion'),
        (1.0, float('nan'), 0.0, 'finite'),
        (1.0, 0.0, float('inf'), 'finite'),
        (1.0, 0.0, -1.0, 'negative variance'),
        (1.0, 0.0, 1e308, 'a variance is at most'),
        (1.0, 1e160, 0.0, 'from the origin'),
    ],
)
def test_reset_to_what_is_no_pose_is_refused_with_the_reason_and_changes_nothing(node, w, x, variance, reason):
    node.drive(0, 3)
    node.wait_for_odometry(2)
    request = ResetToPose.Request()
    request.pose.pose.position.x, request.pose.pose.orientation.w = x, w
    request.pose.covariance[0] = variance
    answer = node.call(ResetToPose, 'reset_to_pose', request)
    assert not answer.success
    assert reason in answer.message
    node.drive(3, 1)
    node.wait_for_odometry(3)
    before, after = node.variances()[-2:]
    assert 0.0 < after - before < 2.0 * before  # errors of neighbouring pairs add up
