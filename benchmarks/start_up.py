"""How long until the first odometry, and how much memory? `python -m benchmarks.start_up [--model FILE] [--runs N]`.

Starts atvio_node while images and IMU readings are published already, as on a robot, and waits for /odometry. The wall
clock counts from the start of the process; processor time and memory are those of the node, by then and 5 s later.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rclpy
import yaml
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, Imu

from atvio_ros.rendering.robots import ROBOTS
from atvio_ros.rig.rig_yaml import write_rig
from atvio_ros.ros.node_process import spinning

IMAGE_EVERY = 20  # IMU readings
IMU_PERIOD_S = 0.005
LIMIT_S = 60.0
SETTLED_S = 5.0


class Robot(Node):  # type: ignore[misc]
    """Publishes a robot that stands, and hears odometry."""

    def __init__(self, context: Context) -> None:
        super().__init__('robot', context=context)
        settings = ROBOTS['kart']
        self.first = threading.Event()
        self._image = Image(height=settings.height, width=settings.width, encoding='mono8', step=settings.width)
        self._image.data = (
            np.random.default_rng(0).integers(0, 255, settings.height * settings.width, np.uint8).tobytes()
        )
        self._images = self.create_publisher(Image, 'image', qos_profile_sensor_data)
        self._imu = self.create_publisher(Imu, 'imu', qos_profile_sensor_data)
        self.create_subscription(Odometry, 'odometry', lambda _: self.first.set(), 10)
        self._count = 0
        self.create_timer(IMU_PERIOD_S, self._publish)

    def _publish(self) -> None:
        stamp = self.get_clock().now().to_msg()
        reading = Imu()
        reading.header.stamp = stamp
        reading.linear_acceleration.z = 9.81
        if self._count % IMAGE_EVERY == 0:
            self._image.header.stamp = stamp
            self._images.publish(self._image)
        self._imu.publish(reading)
        self._count += 1


def main() -> None:
    """Print a line for each start, and the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--model', type=Path, metavar='FILE', help='of a network (default: the road estimator)')
    parser.add_argument('--runs', type=int, default=5, metavar='N')
    arguments = parser.parse_args()
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    print('wall clock [s], processor time [s], memory then and after 5 s, and its peak [MB], load of this machine')
    rows = [measured(arguments.model) for _ in range(arguments.runs)]
    print('median:', ', '.join(f'{statistics.median(column):.2f}' for column in zip(*rows, strict=True)))


def measured(model: Path | None) -> tuple[float, ...]:
    """One start."""
    context = Context()
    rclpy.init(context=context)
    try:
        robot = Robot(context)
        with spinning(robot, context):
            time.sleep(1.0)
            start_s = time.monotonic()
            with node(model) as process:
                if not robot.first.wait(LIMIT_S):
                    sys.exit('The node published no odometry.')
                wall_s, cpu_s, then_mb = time.monotonic() - start_s, cpu_time_s(process.pid), memory_mb(process.pid)
                time.sleep(SETTLED_S)
                row = wall_s, cpu_s, then_mb, memory_mb(process.pid), memory_mb(process.pid, 'VmHWM')
    finally:
        rclpy.try_shutdown(context=context)
    print(', '.join(f'{value:.2f}' for value in row), f'load {os.getloadavg()[0]:.1f}', flush=True)
    return row


@contextmanager
def node(model: Path | None) -> Iterator[subprocess.Popen[bytes]]:
    """atvio_node on the robot, until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        rig, parameters = Path(folder) / 'rig.yaml', Path(folder) / 'parameters.yaml'
        write_rig(rig, ROBOTS['kart'].rig())
        given = {'rig': str(rig), 'model': str(model.absolute()) if model else ''}
        parameters.write_text(yaml.safe_dump({'/**': {'ros__parameters': given}}))
        words = [sys.executable, '-m', 'atvio_ros.ros.node', '--ros-args', '--params-file', str(parameters)]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.terminate()
            process.wait()


def cpu_time_s(pid: int) -> float:
    """Of a process and its threads so far."""
    fields = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def memory_mb(pid: int, kind: str = 'VmRSS') -> float:
    """Of a process now, or at its peak (VmHWM)."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return int(next(line for line in lines if line.startswith(kind)).split()[1]) / 1024


if __name__ == '__main__':
    main()
