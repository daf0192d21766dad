"""atvio_player, a process of its own, over real DDS: what it sends, and how it ends."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

import rclpy
from nav_msgs.msg import Path as PathMessage
from node_answers import ANSWER_LIMIT_S
from node_process import NodeProcess
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

PLAYER = 'atvio_ros.ros.player'


@pytest.fixture
def player(tiny_drive: Path) -> Iterator[NodeProcess]:
    """Plays three images over and over, to nobody."""
    with NodeProcess({'bag': tiny_drive, 'loop': True, 'wait_for_subscribers': 0.0}, PLAYER) as process:
        yield process


def test_the_ground_truth_comes_again_after_the_bag_has_looped(player):
    context = Context()
    rclpy.init(context=context, domain_id=player.domain)
    node, received = Node('rviz', context=context), []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_subscription(PathMessage, '/ground_truth/path', received.append, latched)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    deadline_s = time.monotonic() + ANSWER_LIMIT_S
    while len(received) < 2:
        assert time.monotonic() < deadline_s, f'{len(received)} paths; {player.output}'
        executor.spin_once(0.1)
    assert len(received[0].poses) > 1
    assert received[1] == received[0]
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_interrupts_however_many_end_it_without_a_traceback(player):
    player.wait_for_line('playing')
    player.send(signal.SIGINT)
    player.send(signal.SIGINT)
    assert player.stop() == 0
    assert 'Traceback' not in player.output


def test_a_bag_that_is_none_is_one_line_and_status_1(tmp_path):
    (tmp_path / 'note.mcap').write_text('hello')
    with NodeProcess({'bag': tmp_path / 'note.mcap'}, PLAYER) as process:
        assert process.wait() == 1
    assert process.output.count('\n') == 1
    assert 'atvio_player: ' in process.output


@pytest.mark.parametrize(
    ('name', 'value', 'words'),
    [
        ('rate', 'fast', "rate must be a number, not 'fast'"),
        ('bag', 11, 'bag must be a text, not 11'),
    ],
)
def test_a_parameter_of_another_type_is_one_line(name, value, words):
    with NodeProcess({name: value}, PLAYER) as process:
        assert process.wait() == 1
    assert process.output.strip() == f'atvio_player: The parameter {words}.'


def test_whole_numbers_do_for_decimals_and_misspelt_names_are_told(tiny_drive):
    with NodeProcess({'bag': tiny_drive, 'rate': 5, 'wait_for_subscribers': 0, 'lop': True}, PLAYER) as process:
        assert process.wait() == 0
    assert 'lop (did you mean loop?)' in process.output
    assert 'Traceback' not in process.output
