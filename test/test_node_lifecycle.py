"""The managed node, through the lifecycle services that `ros2 lifecycle` calls."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from ros_graph import EPOCH_NS, FRAME_NS, Graph, graph

MODEL_REFUSAL = 'There is no model file nowhere.safetensors'


@pytest.fixture(scope='module')
def shared():
    """One node that waits for transitions, with a model that does not exist."""
    with graph('-p', 'autostart:=false', '-p', 'device:=cpu', '-p', 'model:=nowhere.safetensors', active=False) as peer:
        yield peer


@pytest.fixture
def unconfigured(shared):
    """The node as it starts, whatever the test before left."""
    for state, transition in (('active', 'deactivate'), ('inactive', 'cleanup')):
        if shared.state() == state:
            assert shared.change_state(transition)
    assert shared.set_parameter('model', '') == ''
    assert shared.state() == 'unconfigured'
    shared.odometry.clear()
    return shared


def distance_m(message) -> float:
    p = message.pose.pose.position
    return float(np.linalg.norm([p.x, p.y, p.z]))


def drive(peer: Graph, first: int, frames: int) -> None:
    """Drive, and wait for the odometry of the last frame."""
    peer.drive(first, frames)
    last_ns = EPOCH_NS + (first + frames - 1) * FRAME_NS
    wanted = (last_ns // 1_000_000_000, last_ns % 1_000_000_000)
    peer.wait_for(
        lambda: bool(peer.odometry) and _stamp(peer.odometry[-1]) == wanted, f'no odometry for frame {first + frames}'
    )


def _stamp(message) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def test_a_configuration_that_fails_says_why_and_succeeds_when_the_parameter_is_right(unconfigured):
    assert unconfigured.set_parameter('model', 'nowhere.safetensors') == ''
    assert not unconfigured.change_state('configure')
    assert unconfigured.state() == 'unconfigured'
    unconfigured.wait_for(lambda: MODEL_REFUSAL in unconfigured.diagnostics.get('', ''), '/diagnostics do not say why')
    assert unconfigured.set_parameter('model', '') == ''
    assert unconfigured.change_state('configure')
    assert unconfigured.state() == 'inactive'


def test_it_subscribes_only_while_active_and_goes_on_from_its_pose(unconfigured):
    assert unconfigured.change_state('configure')
    assert unconfigured.images.get_subscription_count() == 0
    assert unconfigured.change_state('activate')
    unconfigured.wait_until_connected()
    drive(unconfigured, 0, 4)
    last_m = distance_m(unconfigured.odometry[-1])
    unconfigured.send_image(EPOCH_NS + 4 * FRAME_NS)  # no IMU passes it: it waits, and is counted
    unconfigured.wait_for(lambda: unconfigured.diagnostics['images waiting for IMU'] == '1', 'no image waits')
    assert unconfigured.change_state('deactivate')
    unconfigured.wait_for(lambda: unconfigured.images.get_subscription_count() == 0, 'it is still subscribed')
    unconfigured.wait_for(
        lambda: unconfigured.diagnostics.get('dropped: inactive') == '1', 'the image that waited is not counted'
    )
    assert 'inactive' in unconfigured.diagnostics['']
    assert unconfigured.change_state('activate')
    unconfigured.wait_until_connected()
    unconfigured.odometry.clear()
    drive(unconfigured, 10, 2)
    step_m = last_m / 3
    assert abs(distance_m(unconfigured.odometry[0]) - last_m) < 3 * step_m + 0.01


def test_configured_again_it_starts_anew_and_leaves_nothing_of_the_first_time(unconfigured):
    threads = []
    for _ in range(3):
        unconfigured.odometry.clear()
        assert unconfigured.change_state('configure')
        assert unconfigured.change_state('activate')
        unconfigured.wait_until_connected()
        drive(unconfigured, 0, 3)
        first, second = (distance_m(message) for message in unconfigured.odometry)
        assert first < second + 0.01
        unconfigured.wait_for(lambda: unconfigured.status.frames_processed == 2, 'it goes on counting')
        assert unconfigured.node.count_publishers('odometry') == unconfigured.node.count_publishers('/tf') == 1
        assert unconfigured.change_state('deactivate')
        assert unconfigured.change_state('cleanup')
        unconfigured.wait_for(lambda: unconfigured.node.count_publishers('odometry') == 0, 'a publisher is left')
        services = {name for name, _ in unconfigured.node.get_service_names_and_types()}
        assert not {'/atvio_node/reset', '/atvio_node/pause'} & services
        threads.append(len(list(Path(f'/proc/{unconfigured.process.pid}/task').iterdir())))
    assert len(set(threads[1:])) == 1, threads  # PyTorch starts some of its own the first time


def test_a_transition_that_the_state_does_not_have_is_refused(unconfigured):
    assert not unconfigured.change_state('activate')
    assert unconfigured.state() == 'unconfigured'


def test_what_configuring_reads_is_refused_while_configured_with_the_way_to_change_it(unconfigured):
    assert unconfigured.change_state('configure')
    reason = unconfigured.set_parameter('queue_limit', 7)
    assert 'queue_limit is read when the node is configured' in reason
    assert 'ros2 lifecycle set' in reason
    assert unconfigured.change_state('cleanup')
    assert unconfigured.set_parameter('queue_limit', 7) == ''
