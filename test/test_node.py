"""The real node in its own process, over real DDS: what it publishes, and what it makes of faulty input."""

import re

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_graph import EPOCH_NS, FRAME_NS, Graph, fresh_environment, graph, start_node
from sensor_msgs.msg import Imu

from atvio_ros.msg import OdometryStatus
from atvio_ros.srv import ResetToPose


@pytest.fixture(scope='module')
def shared():
    """One node for all tests of this file that leave it running; each begins with a reset."""
    with graph('-p', 'device:=cpu', '-p', 'max_wait:=0.5') as peer:
        yield peer


@pytest.fixture
def node(shared):
    shared.call_reset()
    shared.epoch_ns = getattr(shared, 'epoch_ns', EPOCH_NS) + 100 * 1_000_000_000  # time goes on from test to test
    return shared


def drive(peer: Graph, first: int, frames: int, **options) -> None:
    peer.drive(first, frames, epoch_ns=peer.epoch_ns, **options)


def stamps_ns(peer: Graph) -> list[int]:
    return [message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec for message in peer.odometry]


def position(message) -> np.ndarray:
    p = message.pose.pose.position
    return np.array([p.x, p.y, p.z])


def test_every_frame_after_the_first_gives_one_odometry_with_its_stamp(node):
    drive(node, 0, 6)
    node.wait_for(lambda: len(node.odometry) >= 5, 'odometry is missing')
    assert stamps_ns(node) == [node.epoch_ns + i * FRAME_NS for i in range(1, 6)]
    assert {(m.header.frame_id, m.child_frame_id) for m in node.odometry} == {('odom', 'base_link')}
    assert all(m.pose.covariance[i] > 0 and m.twist.covariance[i] > 0 for m in node.odometry for i in (0, 7, 14, 35))


def test_tf_says_the_same_as_odometry(node):
    drive(node, 0, 4)
    node.wait_for(lambda: len(node.odometry) >= 3 and len(node.transforms) >= 3, 'odometry or TF is missing')
    for message, stamped in zip(node.odometry, node.transforms, strict=True):
        t = stamped.transform.translation
        assert stamped.header == message.header
        assert stamped.child_frame_id == message.child_frame_id
        np.testing.assert_array_equal(position(message), [t.x, t.y, t.z])


def test_twist_is_the_motion_over_the_interval_in_base_link(node):
    drive(node, 0, 3)
    node.wait_for(lambda: len(node.odometry) >= 1, 'odometry is missing')
    first = node.odometry[0]  # from the origin, where odom and base_link coincide; rotation is small
    v = first.twist.twist.linear
    expected = position(first) / (FRAME_NS * 1e-9)
    np.testing.assert_allclose([v.x, v.y, v.z], expected, atol=0.05 * np.linalg.norm(expected) + 1e-3)


def test_an_image_of_unknown_encoding_is_counted_and_the_next_one_goes_on(node):
    before = node.counts().get('image_invalid', 0)
    drive(node, 0, 3)
    node.send_image(node.epoch_ns + 3 * FRAME_NS - 1, encoding='thermal99')
    drive(node, 3, 2)
    node.wait_for(lambda: len(node.odometry) >= 4, 'odometry stopped')
    assert node.counts()['image_invalid'] == before + 1


def test_an_image_that_contradicts_its_size_is_counted(node):
    before = node.counts().get('image_invalid', 0)
    node.send_image(node.epoch_ns, height=10_000)
    drive(node, 1, 3)
    node.wait_for(lambda: len(node.odometry) >= 2, 'odometry stopped')
    assert node.counts()['image_invalid'] == before + 1


def test_imu_readings_that_are_not_finite_are_counted_and_bridged(node):
    before = node.counts().get('imu_not_finite', 0)
    drive(node, 0, 2)
    node.send_imu(node.epoch_ns + 2 * FRAME_NS - 5_000_000, rate=float('nan'))
    drive(node, 2, 2)
    node.wait_for(lambda: len(node.odometry) >= 3, 'odometry stopped')
    assert node.counts()['imu_not_finite'] == before + 1
    assert np.isfinite([position(message) for message in node.odometry]).all()


def test_images_without_imu_are_given_up_after_the_limit_and_the_status_says_what_is_missing(node):
    before = node.counts().get('no_imu', 0)
    drive(node, 0, 3, imu=False)
    node.wait_for(lambda: node.counts().get('no_imu', 0) == before + 2, 'images without IMU were not given up')
    node.wait_for(lambda: node.status.state == OdometryStatus.STATE_WAITING, 'the node does not say it is waiting')
    assert 'no IMU on /imu (publishers: 1)' in node.status.message
    assert not node.odometry


def test_an_image_out_of_order_is_counted(node):
    before = node.counts().get('image_stamp_not_increasing', 0)
    drive(node, 0, 3)
    node.send_image(node.epoch_ns + FRAME_NS)
    drive(node, 3, 1)
    node.wait_for(lambda: len(node.odometry) >= 3, 'odometry stopped')
    assert node.counts()['image_stamp_not_increasing'] == before + 1


def test_a_bag_that_loops_goes_on_from_the_last_pose(node):
    drive(node, 0, 4)
    node.wait_for(lambda: len(node.odometry) >= 3, 'odometry is missing')
    last = position(node.odometry[-1])
    node.epoch_ns -= 50 * 1_000_000_000
    drive(node, 0, 4)
    node.wait_for(lambda: len(node.odometry) >= 6, 'odometry stopped when time went back')
    step = np.linalg.norm(position(node.odometry[3]) - last)
    steps = np.linalg.norm(np.diff([position(m) for m in node.odometry[:3]], axis=0), axis=1)
    assert step < 3 * steps.max() + 0.01


def test_a_hole_in_the_imu_is_reported_and_bridged_by_a_new_start(node):
    before = node.counts().get('imu_gap', 0)
    drive(node, 0, 3)
    drive(node, 3, 1, imu=False)
    drive(node, 4, 3)
    after = node.epoch_ns + 6 * FRAME_NS
    node.wait_for(lambda: after in stamps_ns(node), 'odometry did not go on after the hole')
    # The hole lies between images 3 and 4; with a model that undoes a gyro lag, the pair before reaches into it, too.
    assert node.counts()['imu_gap'] - before in (1, 2)
    assert node.epoch_ns + 4 * FRAME_NS not in stamps_ns(node)
    assert stamps_ns(node)[-2:] == [node.epoch_ns + i * FRAME_NS for i in (5, 6)]


def test_reset_starts_at_the_origin(node):
    drive(node, 0, 4)
    node.wait_for(lambda: len(node.odometry) >= 3, 'odometry is missing')
    step = np.linalg.norm(position(node.odometry[0]))
    node.call_reset()
    drive(node, 4, 3)
    node.wait_for(lambda: len(node.odometry) >= 2, 'odometry stopped')
    assert np.linalg.norm(position(node.odometry[0])) < 3 * step + 0.01


def test_paused_it_drops_and_counts_and_then_goes_on(node):
    before = node.counts().get('paused', 0)
    node.call_pause(True)
    try:
        drive(node, 0, 4)
        node.wait_for(lambda: node.counts().get('paused', 0) >= before + 3, 'paused images are not counted')
        assert not node.odometry
    finally:
        node.call_pause(False)
    drive(node, 5, 3)
    node.wait_for(lambda: len(node.odometry) >= 2, 'odometry did not go on')


def test_every_image_is_accounted_for(node):
    drive(node, 0, 5)
    node.wait_for(lambda: len(node.odometry) >= 4, 'odometry is missing')
    node.wait_for(
        lambda: node.status.images_received == node.status.frames_processed + node.status.frames_dropped,
        'images received and images accounted for differ',
    )
    assert node.status.imu_received > 0


def test_when_the_inputs_end_it_is_lost_and_says_so_and_tracks_again_when_they_return(node):
    drive(node, 0, 3)
    node.wait_for(lambda: node.status.state == OdometryStatus.STATE_LOST, 'the state is not lost')
    assert 'no images on /image (publishers: 1)' in node.status.message
    drive(node, 3, 4)
    node.wait_for(lambda: len(node.odometry) >= 6, 'odometry did not come back')
    assert node.status.state in (OdometryStatus.STATE_DEGRADED, OdometryStatus.STATE_TRACKING)


def test_reset_to_pose_goes_on_from_there_with_that_covariance(node):
    request = ResetToPose.Request()
    request.pose.pose.position.x = 100.0
    request.pose.pose.orientation.z = request.pose.pose.orientation.w = np.sqrt(0.5)  # base x along odom y
    request.pose.covariance = np.diag([4.0, 4.0, 4.0, 0.01, 0.01, 0.01]).reshape(-1)
    assert node.call(ResetToPose, 'reset_to_pose', request).success
    drive(node, 0, 3)
    node.wait_for(lambda: len(node.odometry) >= 1, 'odometry is missing')
    first = node.odometry[0]
    v = first.twist.twist.linear
    moved = (position(first) - [100.0, 0.0, 0.0]) / (FRAME_NS * 1e-9)
    np.testing.assert_allclose(moved, [-v.y, v.x, v.z], atol=0.05 * np.linalg.norm(moved) + 1e-3)
    assert 4.0 < first.pose.covariance[0] < 5.0


@pytest.mark.parametrize(
    ('w', 'x', 'variance', 'reason'),
    [
        (0.0, 0.0, 0.0, 'unit quaternion'),
        (1.0, float('nan'), 0.0, 'finite'),
        (1.0, 0.0, float('inf'), 'finite'),
        (1.0, 0.0, -1.0, 'negative variance'),
    ],
)
def test_reset_to_what_is_no_pose_is_refused_with_the_reason_and_changes_nothing(node, w, x, variance, reason):
    drive(node, 0, 3)
    node.wait_for(lambda: len(node.odometry) >= 2, 'odometry is missing')
    request = ResetToPose.Request()
    request.pose.pose.position.x, request.pose.pose.orientation.w = x, w
    request.pose.covariance[0] = variance
    answer = node.call(ResetToPose, 'reset_to_pose', request)
    assert not answer.success
    assert reason in answer.message
    drive(node, 3, 1)
    node.wait_for(lambda: len(node.odometry) >= 3, 'odometry stopped')
    before, after = node.odometry[-2:]
    growth = after.pose.covariance[0] - before.pose.covariance[0]
    assert 0.0 < growth < 2.0 * before.pose.covariance[0]  # errors of neighbouring pairs add up


def test_diagnostics_tell_rates_latencies_drops_and_the_model(node):
    drive(node, 0, 40)
    node.wait_for(lambda: node.diagnostics.get('IMU rate [Hz]', '0.0') != '0.0', 'no diagnostics')
    figures = node.diagnostics
    assert 5.0 < float(figures['image rate [Hz]']) < 40.0
    assert figures['IMU samples per pair'].split(' to ')[0] in ('11', '12')  # 100 Hz, 10 Hz, both ends bracketed
    for name in ('inference p50 / p99 [ms]', 'end-to-end p50 / p99 [ms]'):
        p50, p99 = map(float, figures[name].split(' / '))
        assert 0.0 < p50 <= p99
    assert int(figures['dropped: first_image']) >= 1
    assert figures['device'] == 'cpu'
    assert re.search(r'\([0-9a-f]{12}\)', figures['model'])
    assert {'frame pairs waiting', 'age of the oldest [ms]', 'images waiting for IMU'} <= set(figures)


def test_a_publisher_whose_quality_of_service_cannot_match_is_named_with_the_fix():
    with graph('-p', 'device:=cpu', '-p', 'imu_reliability:=reliable') as peer:
        peer.node.create_publisher(Imu, 'imu', QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT))
        peer.wait_for(
            lambda: 'set imu_reliability to best_effort' in peer.status.message, 'the status does not name the fix'
        )
        assert peer.status.state == OdometryStatus.STATE_WAITING


@pytest.mark.parametrize(
    ('parameter', 'message'),
    [
        ('model:=nowhere.safetensors', 'There is no model file nowhere.safetensors'),
        ('device:=tpu', 'device must be one of auto, cuda, cpu'),
        ('base_to_camera:=[0.0, 0.0]', 'base_to_camera must be 7 numbers'),
        ('base_to_camera:=[0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]', 'unit quaternion'),
        ('max_imu_gap:=-1.0', 'max_imu_gap'),
        ('queue_limit:=two', 'queue_limit'),
        ('odom_frame:=base_link', 'Give them different names'),
        ('base_frame:=""', 'must be a frame'),
        ('max_image_gap:=0.04', 'Lower max_imu_gap'),
    ],
)
def test_what_cannot_work_is_refused_at_start_in_one_line(parameter, message):
    process = start_node(fresh_environment(), '-p', parameter)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    lines = [line for line in output.splitlines() if line.startswith('atvio_node:')]
    assert len(lines) == 1
    assert message in lines[0]
    assert 'Traceback' not in output
