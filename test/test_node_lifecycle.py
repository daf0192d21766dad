"""The managed node, through the lifecycle services that `ros2 lifecycle` calls."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from ros_graph import Graph, graph

MODEL_REFUSAL = 'There is no model file nowhere.safetensors'


@pytest.fixture(scope='module')
def shared():
    """One node that waits for transitions, with a model that does not exist."""
    with graph(active=False, autostart=False, model='nowhere.safetensors') as peer:
        yield peer


@pytest.fixture
def unconfigured(shared):
    """The node as it starts, whatever the test before left."""
    if shared.state() == 'active':
        shared.deactivate()
    if shared.state() == 'inactive':
        assert shared.change_state('cleanup')
    assert shared.set_parameter('model', '') == ''
    assert shared.state() == 'unconfigured'
    shared.go_on_later()
    return shared


def distances_m(peer: Graph) -> list[float]:
    """From the origin, after every odometry."""
    return list(np.linalg.norm(peer.positions(), axis=1))


def threads(peer: Graph) -> int:
    """How many the node's process has."""
    return len(list(Path(f'/proc/{peer.process.pid}/task').iterdir()))


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
    unconfigured.drive(0, 4)
    unconfigured.wait_for_odometry(3)
    last_m = distances_m(unconfigured)[-1]
    unconfigured.see(4)  # no IMU passes it: it waits, and is counted
    unconfigured.wait_for(lambda: unconfigured.diagnostics.get('images waiting for IMU') == '1', 'no image waits')
    unconfigured.deactivate()
    unconfigured.wait_for(
        lambda: unconfigured.diagnostics.get('dropped: inactive') == '1', 'the image that waited is not counted'
    )
    assert 'inactive' in unconfigured.diagnostics['']
    assert unconfigured.change_state('activate')
    unconfigured.wait_until_connected()
    unconfigured.forget()
    unconfigured.drive(10, 2)
    unconfigured.wait_for_odometry(1)
    step_m = last_m / 3
    assert abs(distances_m(unconfigured)[0] - last_m) < 3 * step_m + 0.01


def test_configured_again_it_starts_anew_and_leaves_nothing_of_the_first_time(unconfigured):
    threads_left = 0
    for round_ in range(3):
        unconfigured.go_on_later()
        assert unconfigured.change_state('configure')
        assert unconfigured.change_state('activate')
        unconfigured.wait_until_connected()
        unconfigured.drive(0, 3)
        unconfigured.wait_for_odometry(2)
        first_m, second_m = distances_m(unconfigured)
        assert first_m < second_m + 0.01
        assert unconfigured.status_at(2).frames_processed == 2
        unconfigured.wait_for(
            lambda: unconfigured.node.count_publishers('odometry') == unconfigured.node.count_publishers('/tf') == 1,
            'there are more publishers than one',
        )
        unconfigured.deactivate()
        assert unconfigured.change_state('cleanup')
        unconfigured.wait_for(lambda: unconfigured.node.count_publishers('odometry') == 0, 'a publisher is left')
        unconfigured.wait_for(
            lambda: (
                not {'/atvio_node/reset', '/atvio_node/pause'}
                & {name for name, _ in unconfigured.node.get_service_names_and_types()}
            ),
            'a service is left',
        )
        if round_ == 1:  # PyTorch starts some of its own the first time
            threads_left = threads(unconfigured)
    unconfigured.wait_for(lambda: threads(unconfigured) <= threads_left, 'a thread is left')


def test_a_transition_that_the_state_does_not_have_is_refused(unconfigured):
    assert not unconfigured.change_state('activate')
    assert unconfigured.state() == 'unconfigured'


def test_what_configuring_reads_is_refused_while_configured_with_the_way_to_change_it(unconfigured):
    assert unconfigured.change_state('configure')
    reason = unconfigured.set_parameter('queue_limit', 7)
    assert 'queue_limit is fixed while the node is configured' in reason
    assert 'ros2 lifecycle set' in reason
    assert unconfigured.change_state('cleanup')
    assert unconfigured.set_parameter('queue_limit', 7) == ''
