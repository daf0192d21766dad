"""Simulated time that stands still and jumps, under a namespace: stamps rule the odometry, the clock does not."""

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_answers import EPOCH_NS, SECOND_NS
from ros_graph import Graph, graph
from rosgraph_msgs.msg import Clock

from atvio_ros.ros.conversions import stamp_from_ns


def test_odometry_and_its_watch_go_on_whatever_the_clock_does():
    with graph(use_sim_time=True, namespace='/robot') as peer:
        clock = peer.node.create_publisher(Clock, '/clock', 10)

        def drive_at(clock_ns: int, first: int, odometry: int) -> None:
            clock.publish(Clock(clock=stamp_from_ns(clock_ns)))
            peer.drive(first, 4)
            peer.wait_for_odometry(odometry)

        drive_at(EPOCH_NS, 0, 3)  # and then the clock stands still
        drive_at(EPOCH_NS + 1000 * SECOND_NS, 4, 7)
        drive_at(EPOCH_NS - 1000 * SECOND_NS, 8, 11)

        configure_again(peer, max_wait=0.5)
        peer.go_on_later()
        peer.drive(0, 3, imu=False)
        peer.wait_for_count('no_imu', 2)  # else they wait for ever: no time passes
        peer.wait_for(lambda: 'no IMU on /robot/imu' in peer.diagnostics.get('', ''), 'diagnostics stand still')
        topics = {name for name, _ in peer.node.get_topic_names_and_types()}
        assert {'/diagnostics', '/robot/odometry', '/tf'} <= topics
        assert '/robot/diagnostics' not in topics


def configure_again(peer: Graph, **parameters: object) -> None:
    """The same process with other parameters that are read when it is configured."""
    peer.deactivate()
    assert peer.change_state('cleanup')
    for name, value in parameters.items():
        assert peer.set_parameter(name, value) == ''
    assert peer.change_state('configure')
    assert peer.change_state('activate')
    peer.wait_until_connected()
