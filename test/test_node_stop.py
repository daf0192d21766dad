"""The process ends with status 0 within two seconds of SIGINT and SIGTERM, whatever it is doing."""

import signal
import subprocess
import time

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from ros_graph import EPOCH_NS, fresh_environment, graph, start_node, stop_node

LIMIT_S = 2.0
EITHER = pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGTERM])

# A node whose network takes half a minute for a frame pair, or to load.
SLOW = """
import time
from atvio_ros.ros import node

def slow(parameters):
    print('loading', flush=True)
    time.sleep({loading_s})
    estimator = node.load_network(parameters)
    def predict(pair):
        print('inferring', flush=True)
        time.sleep(30.0)
    estimator.predict = predict
    return estimator

node.main(slow)
"""


def wait_for_line(process: subprocess.Popen[str], part: str) -> None:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if part in line:
            return
    pytest.fail(f'the node ended without saying {part!r}: {lines}')


def assert_stops(process: subprocess.Popen[str], how: signal.Signals) -> None:
    status, output, seconds = stop_node(process, how)
    assert status == 0, output
    assert 'Traceback' not in output
    assert seconds < LIMIT_S


@pytest.mark.parametrize(
    ('how', 'arguments'),
    [
        (signal.SIGINT, []),
        (signal.SIGTERM, []),
        (signal.SIGINT, ['-p', 'use_sim_time:=true']),  # and nobody publishes /clock
        (signal.SIGTERM, ['-p', 'autostart:=false']),
    ],
)
def test_it_stops_in_time_while_it_waits(how, arguments):
    process = start_node(fresh_environment(), '-p', 'device:=cpu', *arguments)
    wait_for_line(process, 'waiting')
    time.sleep(0.3)  # into the executor
    assert_stops(process, how)


@EITHER
def test_it_stops_in_time_while_it_configures(how):
    process = start_node(fresh_environment(), code=SLOW.format(loading_s=30.0))
    wait_for_line(process, 'loading')
    assert_stops(process, how)


@EITHER
def test_it_stops_in_time_in_the_middle_of_an_inference(how):
    with graph('-p', 'device:=cpu', code=SLOW.format(loading_s=0.0)) as peer:
        peer.drive(0, 3, epoch_ns=EPOCH_NS)
        wait_for_line(peer.process, 'inferring')
        assert_stops(peer.process, how)
