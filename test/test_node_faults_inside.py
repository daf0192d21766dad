"""A network that is too slow, or fails, in the real node over real DDS. The list of faults: docs/faults.md."""

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from ros_graph import graph
from samples.nodes import failing, gated

from atvio_ros.msg import OdometryStatus


def test_an_overloaded_node_drops_images_by_count_and_never_imu():
    frames, queue_limit = 60, 5
    with graph('samples.nodes.gated', queue_limit=queue_limit) as peer:
        peer.drive(0, 2)
        peer.process.wait_for_line(gated.AT_THE_GATE)  # the network has the first pair, and is busy with it
        peer.drive(2, frames - 2)
        peer.wait_until_all_is_received()
        assert peer.diagnostics['frame pairs waiting'] == str(queue_limit)
        peer.process.end_input()
        peer.wait_for_odometry(1 + queue_limit)
        assert peer.frames() == [1, *range(frames - queue_limit, frames)]
        status = peer.status_at(frames - 1)
        assert status.images_received == status.frames_processed + status.frames_dropped == frames
        assert status.imu_received == peer.imu_sent
        assert status.imu_dropped == 0
        assert peer.counts() == {'first_image': 1, 'overload': frames - 2 - queue_limit}
        peer.wait_for_words('does not keep up')


def test_a_network_that_fails_is_lost_with_its_words_and_tracks_again_when_it_works():
    with graph('samples.nodes.failing') as peer:
        peer.drive(0, 12)
        peer.wait_for_count('inference_failed', 11 - failing.GOOD)
        peer.wait_for_status(
            lambda status: status.state == OdometryStatus.STATE_LOST and failing.WORDS in status.message,
            'it is not lost for that reason',
        )
        peer.drive(12, 8)
        peer.wait_for_odometry(19 - failing.FAILURES)
        peer.wait_for_count('inference_failed', failing.FAILURES)
        assert peer.status_at(19).state != OdometryStatus.STATE_LOST
