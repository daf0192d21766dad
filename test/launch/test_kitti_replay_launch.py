"""kitti_replay.launch.py on a ROS 2 installation: a bag goes through player and node, and odometry comes out."""

import sys
import tempfile
import time
import unittest
from pathlib import Path

import pytest

pytest.importorskip('launch_testing', reason='PyPI has no launch: this runs on a ROS 2 installation')

import launch
import launch_testing.actions
import launch_testing.asserts
import rclpy
from launch.launch_description_sources import PythonLaunchDescriptionSource
from nav_msgs.msg import Odometry
from rclpy.node import Node

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from samples.bags import write_drive

LAUNCH_FILE = Path(__file__).resolve().parents[2] / 'launch' / 'kitti_replay.launch.py'
LIMIT_S = 60  # importing PyTorch takes its time
FOLDER = tempfile.TemporaryDirectory()


@pytest.mark.launch_test
def generate_test_description():
    """A bag of three images, over and over."""
    bag = write_drive(Path(FOLDER.name) / 'drive')
    replay = launch.actions.IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(LAUNCH_FILE)),
        launch_arguments={
            'bag': str(bag),
            'loop': 'true',
            'camera_height': '1.65',
            'device': 'cpu',
            'rviz': 'false',
        }.items(),
    )
    return launch.LaunchDescription([replay, launch_testing.actions.ReadyToTest()])


class TestRunning(unittest.TestCase):
    """While it plays."""

    def test_odometry_comes_out(self):
        """Of the bag's images, in odom."""
        rclpy.init()
        node, received = Node('test'), []
        node.create_subscription(Odometry, '/odometry', received.append, 10)
        deadline_s = time.monotonic() + LIMIT_S
        while not received and time.monotonic() < deadline_s:
            rclpy.spin_once(node, timeout_sec=0.5)
        node.destroy_node()
        rclpy.shutdown()
        assert received, 'no odometry'
        assert received[0].header.frame_id == 'odom'


@launch_testing.post_shutdown_test()
class TestStopped(unittest.TestCase):
    """After shutdown."""

    def test_exit_statuses_are_zero(self, proc_info):
        """SIGINT from launch ends player and node cleanly."""
        launch_testing.asserts.assertExitCodes(proc_info)
