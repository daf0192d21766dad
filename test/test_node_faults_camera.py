"""Faults of the camera injected into the real node over real DDS: nothing silent, no jump. The list: docs/faults.md."""

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_answers import FRAME_NS
from ros_graph import IMU_NS, PICTURES

from atvio_ros.msg import OdometryStatus

MOTIONLESS = PICTURES[0].tobytes()


def test_repeated_and_reordered_images_are_counted_and_give_the_same_odometry(node):
    undisturbed = node.drive_well(6)
    before = node.count('image_stamp_not_increasing')
    for i in range(6):
        node.see(i)
        if i in (2, 4):
            node.see(i)  # again
            node.see(i - 1)  # late
        node.feel(i)
    node.wait_for_odometry(5)
    np.testing.assert_allclose(node.poses(), undisturbed, atol=1e-9)
    node.wait_for_count('image_stamp_not_increasing', before + 4)


def test_a_gap_in_the_images_is_counted_and_the_pose_goes_on_from_the_last_less_certain(node):
    before = node.count('image_gap')
    node.drive(0, 6)
    for i in range(6, 26):  # two seconds of IMU alone
        node.feel(i)
    node.drive(26, 5)
    node.wait_for_odometry(5 + 4)
    node.wait_for_count('image_gap', before + 1)
    steps = np.linalg.norm(np.diff(node.positions(), axis=0), axis=1)
    assert steps[4] < 3 * np.delete(steps, 4).max() + 0.01  # no jump
    growth = np.diff(node.variances())
    assert growth[4] > 10 * growth[:4].max()
    after = node.status_at(27)
    assert after.state == OdometryStatus.STATE_DEGRADED
    assert 'went on after' in after.message


@pytest.mark.parametrize(
    ('fault', 'words'),
    [({'data': bytes(128 * 416)}, 'blank'), ({'data': MOTIONLESS}, 'repeats the same image')],
    ids=['black', 'frozen'],
)
def test_a_camera_that_shows_nothing_is_said_and_makes_the_pose_uncertain(node, fault, words):
    node.drive(0, 6)
    node.drive(6, 6, **fault)
    node.wait_for_odometry(11)
    blind = node.status_at(11)
    assert blind.state == OdometryStatus.STATE_DEGRADED
    assert words in blind.message
    growth = np.diff(node.variances())
    assert growth[-1] > 5 * growth[:3].max()
    node.drive(12, 3)
    node.wait_for_odometry(14)


def test_another_image_size_in_the_middle_is_used_and_said(node):
    node.drive(0, 3)
    small = {'height': 64, 'width': 208, 'step': 208, 'data': PICTURES[0, :64, :208].tobytes()}
    node.drive(3, 1, **small)
    node.drive(4, 1)
    node.wait_for_odometry(4)
    assert node.wait_for_words('416x128 now, 208x64 before').state == OdometryStatus.STATE_DEGRADED


def test_at_rest_it_says_so_and_the_pose_does_not_move(node):
    noise = np.random.default_rng(2)
    # blocks of 16 pixels: what a camera sees of a wall, with its noise
    wall = np.kron(noise.integers(40, 215, (8, 26)), np.ones((16, 16))).astype(np.float64)
    for i in range(30):
        image = np.clip(wall + noise.normal(0.0, 1.5, wall.shape), 0, 255).astype(np.uint8)
        node.see(i, data=image.tobytes())
        for k in range(10):
            at_ns = node.epoch_ns + i * FRAME_NS + k * IMU_NS
            node.send_imu(at_ns, rate=1e-3 * noise.normal(), force=9.81 + 0.01 * noise.normal())
    node.wait_for_odometry(29)
    node.wait_for_state(OdometryStatus.STATE_STATIONARY)
    np.testing.assert_allclose(np.ptp(node.poses()[-10:], axis=0), 0.0, atol=1e-15)
    assert node.variances()[-1] > 0.0
