"""atvio.launch.py on a ROS 2 installation: the node comes up by itself or by transitions, and ends cleanly."""

import unittest
from pathlib import Path

import pytest

pytest.importorskip('launch_testing', reason='PyPI has no launch: this runs on a ROS 2 installation')

import launch
import launch_testing.actions
import launch_testing.asserts
import rclpy
from launch.launch_description_sources import PythonLaunchDescriptionSource
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.node import Node

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'atvio.launch.py'
START_LIMIT_S = 60  # importing PyTorch takes its time


@pytest.mark.launch_test
@launch_testing.parametrize('autostart', ['', 'false'])
def generate_test_description(autostart):
    """The launch file as a user calls it, on the CPU, in a namespace."""
    odometry = launch.actions.IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH_FILE)),
        launch_arguments={'device': 'cpu', 'autostart': autostart, 'namespace': 'robot', 'rviz': 'false'}.items(),
    )
    return launch.LaunchDescription([odometry, launch_testing.actions.ReadyToTest()])


class TestRunning(unittest.TestCase):
    """While it runs."""

    def test_the_node_waits_for_its_inputs(self, proc_output, autostart):
        """By itself, or once it has been configured and activated."""
        if autostart == 'false':
            proc_output.assertWaitFor('waiting to be configured', timeout=START_LIMIT_S)
            self._change_state('configure', 'activate')
        proc_output.assertWaitFor('waiting for images and IMU', timeout=START_LIMIT_S)

    def _change_state(self, *labels):
        rclpy.init()
        node = Node('test')
        client = node.create_client(ChangeState, '/robot/atvio_node/change_state')
        assert client.wait_for_service(START_LIMIT_S)
        for label in labels:
            future = client.call_async(ChangeState.Request(transition=Transition(label=label)))
            rclpy.spin_until_future_complete(node, future, timeout_sec=START_LIMIT_S)
            assert future.result().success, label
        node.destroy_node()
        rclpy.shutdown()


@launch_testing.post_shutdown_test()
class TestStopped(unittest.TestCase):
    """After shutdown."""

    def test_exit_status_is_zero(self, proc_info):
        """SIGINT from launch ends the node cleanly."""
        launch_testing.asserts.assertExitCodes(proc_info)
