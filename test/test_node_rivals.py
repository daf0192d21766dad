"""A second node that publishes what this one does is named, with what to do, in log and /diagnostics; over real DDS."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

import rclpy
from nav_msgs.msg import Odometry
from node_answers import ANSWER_LIMIT_S, EPOCH_NS
from node_process import fresh_environment, release
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from ros_graph import Graph
from tf2_msgs.msg import TFMessage

from atvio_ros import messages
from atvio_ros.ros.conversions import make_message
from atvio_ros.ros.rivals import LISTEN_S, Rivals


class Pair:
    """A node that watches, and another that it is to notice."""

    def __init__(self, context: Context) -> None:
        self.ours, self.other = Node('odometer', context=context), Node('ekf', context=context)
        self.now_s = 100.0
        self.rivals = Rivals(self.ours, 'odometry', lambda: self.now_s)
        self.tf = self.ours.create_publisher(TFMessage, '/tf', 100)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.ours)

    def broadcast(self, stamp_ns: int) -> None:
        """Send odom -> base_link ourselves."""
        transform = link(stamp_ns)
        self.rivals.sent(transform)
        self.tf.publish(TFMessage(transforms=[transform]))

    def wait(self, wanted: Callable[[str], bool], broadcasts: bool = True, meanwhile=lambda: None) -> str:
        """The words once they are as wanted."""
        deadline_s = time.monotonic() + ANSWER_LIMIT_S
        while not wanted(words := self.rivals.words(broadcasts)):
            assert time.monotonic() < deadline_s, words
            meanwhile()
            self._executor.spin_once(0.02)
        return words

    def hear(self, seconds: float) -> str:
        """The words after everything sent so far has come."""
        deadline_s = time.monotonic() + seconds
        while time.monotonic() < deadline_s:
            self._executor.spin_once(0.02)
        return self.rivals.words(True)


def link(stamp_ns: int, parent: str = 'odom', x: float = 1.0):
    T = np.eye(4)
    T[0, 3] = x
    return messages.transform_stamped(make_message, stamp_ns, parent, 'base_link', T)


@pytest.fixture
def pair() -> Iterator[Pair]:
    environment, context = fresh_environment(), Context()
    rclpy.init(context=context, domain_id=int(environment['ROS_DOMAIN_ID']))
    made = Pair(context)
    yield made
    made.rivals.close()
    made.ours.destroy_node()
    made.other.destroy_node()
    rclpy.try_shutdown(context=context)
    release(environment)


def test_alone_there_is_nothing_to_say_though_our_own_transforms_come_back(pair):
    pair.ours.create_publisher(Odometry, 'odometry', 10)
    for i in range(20):
        pair.broadcast(EPOCH_NS + i)
    assert pair.hear(0.3) == ''


def test_another_publisher_of_our_odometry_is_named_until_it_stops(pair):
    pair.ours.create_publisher(Odometry, 'odometry', 10)
    publisher = pair.other.create_publisher(Odometry, 'odometry', 10)
    words = pair.wait(lambda words: '/odometry is also published by /ekf' in words)
    assert 'stop it, or remap' in words
    pair.other.destroy_publisher(publisher)
    pair.wait(lambda words: not words)


def test_a_second_node_of_our_name_is_told(pair):
    twin = Node('odometer', context=pair.ours.context)
    words = pair.wait(lambda words: words != '')
    assert '2 nodes are named /odometer' in words
    twin.destroy_node()
    pair.wait(lambda words: not words)


@pytest.mark.parametrize(('parent', 'advice'), [('odom', 'set publish_tf to false'), ('wheels', 'set invert_tf')])
def test_another_broadcaster_of_our_transform_is_told_with_the_parameter_that_helps(pair, parent, advice):
    broadcaster = pair.other.create_publisher(TFMessage, '/tf', 100)

    def both_broadcast():
        pair.broadcast(time.monotonic_ns())
        broadcaster.publish(TFMessage(transforms=[link(time.monotonic_ns(), parent, 2.0)]))

    words = pair.wait(lambda words: words != '', meanwhile=both_broadcast)
    assert f'another node broadcasts {parent} -> base_link' in words
    assert advice in words
    pair.wait(lambda words: words == '', broadcasts=False)  # publish_tf was set to false


def test_a_broadcaster_of_other_transforms_is_none_of_our_business_and_is_not_listened_to_for_ever(pair):
    arm = pair.other.create_publisher(TFMessage, '/tf', 100)
    transform = link(1)
    transform.child_frame_id = 'hand'

    def both_broadcast():
        pair.broadcast(time.monotonic_ns())
        arm.publish(TFMessage(transforms=[transform]))

    listeners = lambda: pair.other.count_subscribers('/tf')  # noqa: E731
    pair.wait(lambda _: listeners() == 1, meanwhile=both_broadcast)
    assert pair.hear(0.3) == ''
    pair.now_s += LISTEN_S + 1.0
    pair.wait(lambda _: listeners() == 0, meanwhile=both_broadcast)


def test_the_node_says_it_in_its_log_and_in_diagnostics(running_node: Graph):
    intruder = running_node.node.create_publisher(Odometry, 'odometry', 10)
    running_node.wait_for(lambda: 'also published by /peer' in running_node.diagnostics.get('', ''), 'no word')
    running_node.process.wait_for_line('/odometry is also published by /peer')
    running_node.node.destroy_publisher(intruder)
    running_node.wait_for(lambda: 'also published' not in running_node.diagnostics.get('', ''), 'it goes on')
    assert running_node.process.output.count('is also published by') == 1


def test_a_parent_of_our_child_on_tf_static_is_told_with_the_frame_to_set(pair):
    assert pair.rivals.static_parent('base_footprint') == ''  # as long as nothing is broadcast
    pair.broadcast(EPOCH_NS)
    assert pair.rivals.static_parent('') == pair.rivals.static_parent('odom') == ''
    words = pair.rivals.static_parent('base_footprint')
    assert 'base_link has a parent on /tf_static, base_footprint' in words
    assert 'set base_frame to base_footprint' in words
