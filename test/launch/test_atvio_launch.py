"""atvio.launch.py on a ROS 2 installation: the node comes up under its arguments and ends cleanly."""

import unittest
from pathlib import Path

import pytest

pytest.importorskip('launch_testing', reason='PyPI has no launch: this runs on a ROS 2 installation')

import launch
import launch_testing.actions
import launch_testing.asserts
from launch.launch_description_sources import PythonLaunchDescriptionSource

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'atvio.launch.py'


@pytest.mark.launch_test
def generate_test_description():
    """The launch file as a user calls it, on the CPU."""
    odometry = launch.actions.IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH_FILE)), launch_arguments={'device': 'cpu', 'rviz': 'false'}.items()
    )
    return launch.LaunchDescription([odometry, launch_testing.actions.ReadyToTest()])


class TestRunning(unittest.TestCase):
    """While it runs."""

    def test_the_node_waits_for_its_inputs(self, proc_output):
        """It says so within a minute: importing PyTorch takes its time."""
        proc_output.assertWaitFor('waiting for images and IMU', timeout=60)


@launch_testing.post_shutdown_test()
class TestStopped(unittest.TestCase):
    """After shutdown."""

    def test_exit_status_is_zero(self, proc_info):
        """SIGINT from launch ends the node cleanly."""
        launch_testing.asserts.assertExitCodes(proc_info)
