"""A peer of a running atvio_node: sends it images and IMU over DDS, on a domain of their own, and calls its services.

Nothing here depends on how fast the machine is: by default (PATIENT) the transport loses nothing, the node skips
nothing and gives up no image, and whoever waits does so for an answer of the node.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from node_answers import FRAME_NS, SECOND_NS, Answers
from node_process import NODE, REPOSITORY, START_LIMIT_S, NodeProcess
from rcl_interfaces.srv import SetParameters
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image, Imu
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from atvio_ros.ros.conversions import stamp_from_ns

IMU_NS = 10_000_000
IMAGE_DEPTH, IMU_DEPTH = 100, 5000  # more than any test has on the way
RIG = str(REPOSITORY / 'test' / 'samples' / 'rig.yaml')  # of the camera that takes PICTURES
PATIENT = {
    'model': str(REPOSITORY / 'models' / 'ca_a.safetensors'),  # moves on pictures of nothing, too
    'rig': RIG,
    'device': 'cpu',
    'image_reliability': 'reliable',
    'imu_reliability': 'reliable',
    'image_depth': IMAGE_DEPTH,
    'imu_depth': IMU_DEPTH,
    'queue_limit': IMAGE_DEPTH,
    'max_wait': 30.0,
}
HEIGHT, WIDTH = 128, 416
PICTURES = np.random.default_rng(1).integers(0, 255, (64, HEIGHT, WIDTH), np.uint8)


class Graph(Answers):
    """Sends images and IMU to the node and keeps what comes back."""

    def __init__(self, node: Node, process: NodeProcess) -> None:
        super().__init__(node)
        self.process = process
        self.images_sent = 0
        self.imu_sent = 0
        self.images = node.create_publisher(Image, 'image', IMAGE_DEPTH)
        self.imu = node.create_publisher(Imu, 'imu', IMU_DEPTH)

    def wait_until_connected(self) -> None:
        """Wait until both sides have found each other: what is sent to a reader before it has found us is lost."""
        self.diagnostics = {}
        self.wait_for(
            lambda: bool(
                self.images.get_subscription_count()
                and self.imu.get_subscription_count()
                and self.node.count_publishers('odometry')
                and 'no images' in (text := self.diagnostics.get('', ''))
                and not re.search(r'no (images|IMU) on \S+ \(publishers: 0', text)
            ),
            'the node did not connect',
            START_LIMIT_S,
        )

    def wait_until_all_is_received(self) -> None:
        """Wait until the node has received all that was ever sent; nothing may have been sent in vain."""
        self.wait_for(
            lambda: (
                self.diagnostics.get('images received') == str(self.images_sent)
                and self.diagnostics.get('IMU readings received') == str(self.imu_sent)
            ),
            f'{self.images_sent} images and {self.imu_sent} IMU readings were sent and not received',
        )

    def begin(self) -> None:
        """A new drive of the same node: a later time, and a reset."""
        self.go_on_later()
        self.call_reset()

    def go_on_later(self) -> None:
        """A new drive without a reset: its stamps are later, and everything collected is forgotten."""
        self.epoch_ns += 100 * SECOND_NS
        self._earliest_ns = self.epoch_ns - 60 * SECOND_NS
        self.forget()

    def deactivate(self) -> None:
        """The lifecycle transition, until the subscriptions are out of our sight, too."""
        assert self.change_state('deactivate')
        self.wait_for(
            lambda: not self.images.get_subscription_count() and not self.imu.get_subscription_count(),
            'it is still subscribed',
        )

    def send_image(self, at_ns: int, **changes: Any) -> None:
        """A mono8 image, not the one before; `changes` are fields to send otherwise."""
        header = Header(stamp=stamp_from_ns(at_ns), frame_id='camera')
        message = Image(header=header, height=HEIGHT, width=WIDTH, encoding='mono8', step=WIDTH)
        picture = PICTURES[self.images_sent % len(PICTURES)].tobytes()
        for field, value in {'data': picture, **changes}.items():
            setattr(message, field, value)
        self.images_sent += 1
        self.images.publish(message)

    def send_imu(self, at_ns: int, rate: float = 0.01, frame_id: str = 'imu_link', force: float = 9.81) -> None:
        """A reading at rest but for a rate about z [rad/s]; `force` is what weighs on z [m/s^2]."""
        message = Imu(header=Header(stamp=stamp_from_ns(at_ns), frame_id=frame_id))
        message.angular_velocity.z = rate
        message.linear_acceleration.z = force
        self.imu_sent += 1
        self.imu.publish(message)

    def see(self, i: int, **changes: Any) -> None:
        """Image i of a camera at 10 Hz, the same picture in every drive."""
        self.send_image(self.epoch_ns + i * FRAME_NS, **{'data': PICTURES[i % len(PICTURES)].tobytes(), **changes})

    def feel(self, i: int, order: Iterable[int] = range(10), **changes: Any) -> None:
        """The IMU readings, 100 Hz, from image i to just before the next."""
        for k in order:
            self.send_imu(self.epoch_ns + i * FRAME_NS + k * IMU_NS, **changes)

    def drive(self, first: int, frames: int, imu: bool = True, **changes: Any) -> None:
        """Images first .. first + frames - 1, each with the IMU readings up to the next, so that drives connect."""
        for i in range(first, first + frames):
            self.see(i, **changes)
            if imu:
                self.feel(i)

    def drive_well(self, frames: int) -> np.ndarray:
        """Poses (N, 7) of a drive without a fault; then another one begins."""
        self.drive(0, frames)
        self.wait_for_odometry(frames - 1)
        undisturbed = self.poses()
        self.begin()
        return undisturbed

    def call_reset(self) -> None:
        """~/reset, and everything collected forgotten."""
        assert self.call(Trigger, 'reset', Trigger.Request()).success
        self.forget()

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
def graph(
    program: str = NODE, *, namespace: str = '', active: bool = True, patient: bool = True, **parameters: Any
) -> Iterator[Graph]:
    """A running node, connected (unless it is not to be active yet); it must end with status 0.

    `program` is a module: atvio_node itself, or one of samples.nodes. `parameters` are set on it beyond those of
    PATIENT, which are left out where it is not to be patient.
    """
    with NodeProcess({**(PATIENT if patient else {}), **parameters}, program, namespace) as process:
        context = Context()
        rclpy.init(context=context, domain_id=process.domain)
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
            status = process.stop()
            executor.shutdown()
            thread.join()
            rclpy.try_shutdown(context=context)
        assert status == 0, process.output
