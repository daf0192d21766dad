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
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, Imu
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger
from tf2_msgs.msg import TFMessage

from atvio_ros.msg import OdometryStatus
from atvio_ros.ros.conversions import stamp_from_ns

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


def start_node(environment: dict[str, str], *arguments: str, code: str = '') -> subprocess.Popen[str]:
    """atvio_node with ROS arguments such as '-p', 'device:=cpu'; `code` is a script to run in its place."""
    program = ['-c', code] if code else ['-m', 'atvio_ros.ros.node']
    return subprocess.Popen(
        [sys.executable, *program, '--ros-args', *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def stop_node(process: subprocess.Popen[str], how: signal.Signals = signal.SIGINT) -> tuple[int, str, float]:
    """Exit status, output and seconds it took to stop."""
    started_s = time.monotonic()
    process.send_signal(how)
    output, _ = process.communicate(timeout=20)
    return process.returncode, output, time.monotonic() - started_s


class Graph:
    """Publishes images and IMU to the node and keeps what comes back."""

    def __init__(self, node: Node, process: subprocess.Popen[str]) -> None:
        self.node = node
        self.process = process
        self.images = node.create_publisher(Image, 'image', 50)
        self.imu = node.create_publisher(Imu, 'imu', 1000)
        self.odometry: list[Odometry] = []
        self.transforms: list[Any] = []
        self.diagnostics: dict[str, str] = {}  # figures of the newest /diagnostics, with its message under ''
        self.status = OdometryStatus()
        node.create_subscription(Odometry, 'odometry', self.odometry.append, 1000)
        node.create_subscription(TFMessage, '/tf', lambda message: self.transforms.extend(message.transforms), 1000)
        node.create_subscription(OdometryStatus, 'status', self._on_status, 100)
        node.create_subscription(DiagnosticArray, '/diagnostics', self._on_diagnostics, 100)
        self._random = np.random.default_rng(0)

    def _on_status(self, status: OdometryStatus) -> None:
        self.status = status

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        status = message.status[0]
        self.diagnostics = {'': status.message, **{value.key: value.value for value in status.values}}

    def wait_for(self, condition: Callable[[], bool], what: str, limit_s: float = ANSWER_LIMIT_S) -> None:
        """Wait until the condition holds; fail with `what` if it does not in time."""
        deadline_s = time.monotonic() + limit_s
        while not condition():
            assert time.monotonic() < deadline_s, f'{what}; status: {self.status}'
            time.sleep(0.01)

    def wait_until_connected(self) -> None:
        """Wait until both sides know of each other: what is sent before a reader knows its writer is lost."""
        self.diagnostics = {}
        self.wait_for(
            lambda: bool(
                self.images.get_subscription_count()
                and self.imu.get_subscription_count()
                and self.node.count_publishers('odometry')
                and 'no images' in (text := self.diagnostics.get('', ''))
                and 'publishers: 0' not in text
            ),
            'the node did not connect',
            START_LIMIT_S,
        )

    def send_image(self, stamp_ns: int, **changes: Any) -> None:
        """A mono8 image of noise; `changes` are fields to send otherwise."""
        height, width = 128, 416
        header = Header(stamp=stamp_from_ns(stamp_ns), frame_id='camera')
        message = Image(header=header, height=height, width=width, encoding='mono8', step=width)
        message.data = self._random.integers(0, 255, height * width, dtype=np.uint8).tobytes()
        for field, value in changes.items():
            setattr(message, field, value)
        self.images.publish(message)

    def send_imu(self, stamp_ns: int, rate: float = 0.01, frame_id: str = 'imu_link', force: float = 9.81) -> None:
        """A reading at rest but for a rate about z [rad/s]; `force` is what weighs on z [m/s^2]."""
        message = Imu(header=Header(stamp=stamp_from_ns(stamp_ns), frame_id=frame_id))
        message.angular_velocity.z = rate
        message.linear_acceleration.z = force
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
        assert self.call(Trigger, 'reset', Trigger.Request()).success
        self.odometry.clear()
        self.transforms.clear()

    def call_pause(self, pause: bool) -> None:
        """~/pause."""
        assert self.call(SetBool, 'pause', SetBool.Request(data=pause)).success

    def change_state(self, label: str) -> bool:
        """A lifecycle transition ('configure', 'activate', ...); whether it succeeded."""
        request = ChangeState.Request(transition=Transition(label=label))
        return bool(self.call(ChangeState, 'change_state', request).success)

    def state(self) -> str:
        """The lifecycle state's label."""
        return str(self.call(GetState, 'get_state', GetState.Request()).current_state.label)

    def set_parameter(self, name: str, value: Any) -> str:
        """Set a parameter of the node; returns the reason of a refusal, '' when it was taken."""
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        result = self.call(SetParameters, 'set_parameters', request).results[0]
        assert result.successful == (not result.reason)
        return str(result.reason)

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """The answer of one of the node's own services."""
        client = self.node.create_client(kind, f'atvio_node/{name}')
        assert client.wait_for_service(START_LIMIT_S), f'no service {name}'
        future = client.call_async(request)
        self.wait_for(future.done, f'{name} did not answer')
        self.node.destroy_client(client)
        return future.result()


@contextmanager
def graph(*arguments: str, namespace: str = '', active: bool = True, code: str = '') -> Iterator[Graph]:
    """A running node with ROS arguments, connected (unless it is not to be active yet); it must end with status 0."""
    environment = fresh_environment()
    remap = ['-r', f'__ns:={namespace}'] if namespace else []
    process = start_node(environment, *arguments, *remap, code=code)
    context = Context()
    rclpy.init(context=context, domain_id=int(environment['ROS_DOMAIN_ID']))
    node = Node('peer', context=context, namespace=namespace)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    peer = Graph(node, process)
    try:
        if active:
            peer.wait_until_connected()
        yield peer
    finally:
        status, output, _ = stop_node(process)
        executor.shutdown()
        thread.join(5)
        rclpy.try_shutdown(context=context)
    assert status == 0, output
