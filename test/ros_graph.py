"""A real atvio_node in its own process, and a peer in this one that talks to it over DDS on a domain of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from nav_msgs.msg import Odometry
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image, Imu
from std_srvs.srv import SetBool, Trigger
from tf2_msgs.msg import TFMessage

from atvio_ros.msg import OdometryStatus

EPOCH_NS = 1_317_000_000_000_000_000
FRAME_NS = 100_000_000
IMU_NS = 10_000_000
START_LIMIT_S = 60.0
ANSWER_LIMIT_S = 15.0
REPOSITORY = Path(__file__).resolve().parent.parent

_domains = iter(range(101))


def fresh_environment() -> dict[str, str]:
    """Environment of a ROS graph that nothing else on this machine is in."""
    domain = (os.getpid() * 7 + next(_domains)) % 101 + 1
    return {**os.environ, 'ROS_DOMAIN_ID': str(domain), 'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST'}


def start_node(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """atvio_node with ROS arguments such as '-p', 'device:=cpu'."""
    command = [sys.executable, '-m', 'atvio_ros.ros.node', '--ros-args', *arguments]
    return subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def stop_node(process: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> tuple[int, str, float]:
    """Exit status, output and seconds it took to stop."""
    started_s = time.monotonic()
    process.send_signal(how)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output, time.monotonic() - started_s


class Graph:
    """Publishes images and IMU to the node and keeps what comes back."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.images = node.create_publisher(Image, 'image', 50)
        self.imu = node.create_publisher(Imu, 'imu', 1000)
        self.odometry: list[Odometry] = []
        self.transforms: list[Any] = []
        self.status = OdometryStatus()
        node.create_subscription(Odometry, 'odometry', self.odometry.append, 1000)
        node.create_subscription(TFMessage, '/tf', lambda message: self.transforms.extend(message.transforms), 1000)
        node.create_subscription(OdometryStatus, 'status', self._on_status, 100)
        self._random = np.random.default_rng(0)

    def _on_status(self, status: OdometryStatus) -> None:
        self.status = status

    def wait_for(self, condition: Callable[[], bool], what: str, limit_s: float = ANSWER_LIMIT_S) -> None:
        """Wait until the condition holds; fail with `what` if it does not in time."""
        deadline_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline_s, f'{what}; status: {self.status}'
            time.sleep(0.01)

    def send_image(self, stamp_ns: int, **changes: Any) -> None:
        """A mono8 image of noise; `changes` are fields to send otherwise."""
        height, width = 128, 416
        message = Image(height=height, width=width, encoding='mono8', step=width)
        message.header.stamp = _time(stamp_ns)
        message.data = self._random.integers(0, 255, height * width, dtype=np.uint8).tobytes()
        for field, value in changes.items():
            setattr(message, field, value)
        self.images.publish(message)

    def send_imu(self, stamp_ns: int, rate: float = 0.01) -> None:
        """A reading at rest but for a rate about z [rad/s]."""
        message = Imu()
        message.header.stamp = _time(stamp_ns)
        message.angular_velocity.z = rate
        message.linear_acceleration.z = 9.81
        self.imu.publish(message)

    def drive(self, first: int, frames: int, imu: bool = True, epoch_ns: int = EPOCH_NS) -> None:
        """Frames first .. first + frames - 1 of a 10 Hz camera, with 100 Hz IMU up to the last of them."""
        for i in range(first, first + frames):
            self.send_image(epoch_ns + i * FRAME_NS)
            if imu:
                for k in range(10):  # up to the next image, so that a following drive connects
                    self.send_imu(epoch_ns + i * FRAME_NS + k * IMU_NS)
            time.sleep(0.03)

    def counts(self) -> dict[str, int]:
        """Drops by reason, as the newest status tells."""
        return dict(zip(self.status.drop_reasons, self.status.drop_counts, strict=True))

    def call_reset(self) -> None:
        """~/reset, and everything collected forgotten."""
        self._call(Trigger, '/atvio_node/reset', Trigger.Request())
        self.odometry.clear()
        self.transforms.clear()

    def call_pause(self, pause: bool) -> None:
        """~/pause."""
        self._call(SetBool, '/atvio_node/pause', SetBool.Request(data=pause))

    def _call(self, kind: Any, name: str, request: Any) -> None:
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(ANSWER_LIMIT_S), f'no service {name}'
        future = client.call_async(request)
        self.wait_for(future.done, f'{name} did not answer')
        assert future.result().success
        self.node.destroy_client(client)


@contextmanager
def graph(*arguments: str) -> Iterator[Graph]:
    """A running node with ROS arguments, connected; it must end with status 0."""
    environment = fresh_environment()
    process = start_node(environment, *arguments)
    context = Context()
    rclpy.init(context=context, domain_id=int(environment['ROS_DOMAIN_ID']))
    node = Node('peer', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    peer = Graph(node)
    try:
        peer.wait_for(
            lambda: (
                bool(peer.images.get_subscription_count() and peer.imu.get_subscription_count())
                and node.count_publishers('/odometry') > 0
            ),
            'the node did not connect',
            START_LIMIT_S,
        )
        yield peer
    finally:
        status, output, _ = stop_node(process)
        executor.shutdown()
        thread.join(5)
        rclpy.try_shutdown(context=context)
    assert status == 0, output


def _time(stamp_ns: int) -> Time:
    return Time(sec=stamp_ns // 1_000_000_000, nanosec=stamp_ns % 1_000_000_000)
