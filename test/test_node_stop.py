"""The process ends with status 0 after SIGINT and SIGTERM, and does not wait for what cannot be interrupted."""

import signal

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_process import NodeProcess
from ros_graph import graph
from samples.nodes import gated, loading

from atvio_ros.ros.node import SHUTDOWN_LIMIT_S

EITHER = pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])


def assert_stops(process: NodeProcess, how: signal.Signals) -> None:
    """It ends though what it is doing does not. How soon depends on the machine, but for SHUTDOWN_LIMIT_S."""
    assert process.stop(how) == 0, process.output
    assert 'Traceback' not in process.output


def test_it_gives_what_it_is_doing_less_than_two_seconds_to_end():
    assert SHUTDOWN_LIMIT_S < 1.0  # the rest is for a busy machine


@pytest.mark.parametrize(
    ('how', 'parameters'),
    [
        (signal.SIGINT, {}),
        (signal.SIGTERM, {}),
        (signal.SIGINT, {'use_sim_time': True}),  # and nobody publishes /clock
        (signal.SIGTERM, {'autostart': False}),
    ],
)
def test_it_stops_in_time_while_it_waits(how, parameters):
    with graph(active=False, **parameters) as peer:
        assert peer.state() == ('active' if parameters.get('autostart', True) else 'unconfigured')
        assert_stops(peer.process, how)


@EITHER
def test_it_stops_in_time_while_it_configures(how):
    with NodeProcess({}, 'samples.nodes.loading') as process:
        process.wait_for_line(loading.LOADING)
        assert_stops(process, how)


@EITHER
def test_it_stops_in_time_in_the_middle_of_an_inference(how):
    with graph('samples.nodes.gated') as peer:
        peer.drive(0, 3)
        peer.process.wait_for_line(gated.AT_THE_GATE)
        assert_stops(peer.process, how)
