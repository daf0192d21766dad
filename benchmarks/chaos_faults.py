"""The faults that benchmarks/chaos.py injects: what each does to the streams, the node's services or its process."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image, Imu
from std_msgs.msg import String
from std_srvs.srv import SetBool, Trigger
from tf2_msgs.msg import TFMessage

from atvio_ros.ros.conversions import stamp_from_ns
from atvio_ros.srv import ResetToPose

MS = 1_000_000
SECOND = 1000 * MS
Messages: TypeAlias = 'list[Any]'  # or their bytes


class Peer(Protocol):
    """What a fault may do beside changing messages."""

    def call(self, kind: Any, name: str, request: Any) -> None:
        """Ask a service of the node, without waiting for the answer."""

    def send(self, topic: str, message: Any) -> None:
        """Publish on `image`, `image by another`, `imu by another`, `rig`, `tf_static` or `camera_info`."""

    def shift(self, by_ns: int) -> None:
        """Let all stamps from now on be so much later."""

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the node's process."""


Change: TypeAlias = Callable[[bytes, int], Messages]  # CDR of a message and its stamp -> what is sent in its place
Act: TypeAlias = Callable[[Peer], None]


@dataclass(frozen=True)
class Fault:
    """One kind of fault: how long it lasts, what it makes of each image and reading, what it does first and last."""

    name: str
    seconds: float
    image: Change | None = None
    imu: Change | None = None
    begin: Act | None = None
    end: Act | None = None


def faults(peer: Peer) -> list[Fault]:
    """All kinds; those that change streams come from docs/faults.md."""
    return [*_of_images(peer), *_of_imu(peer), *_of_time(), *_of_people(), *_of_the_process()]


def _nothing(cdr: bytes, stamp_ns: int) -> Messages:
    return []


def _altered(kind: Any, **fields: Callable[[Any], Any]) -> Change:
    """Fields of the message replaced by what a function makes of the message."""

    def change(cdr: bytes, stamp_ns: int) -> Messages:
        message = deserialize_message(cdr, kind)
        for path, value in fields.items():
            *owners, name = path.split('__')
            owner = message
            for each in owners:
                owner = getattr(owner, each)
            setattr(owner, name, value(message))
        return [message]

    return change


def _copies(kind: Any, count: int, step_ns: int) -> Change:
    """So many in place of one, stamped `step_ns` apart."""

    def change(cdr: bytes, stamp_ns: int) -> Messages:
        made = []
        for k in range(count):
            message = deserialize_message(cdr, kind)
            message.header.stamp = stamp_from_ns(stamp_ns + k * step_ns)
            made.append(message)
        return made

    return change


def _stamped(kind: Any, by_ns: int) -> Change:
    return _altered(kind, header__stamp=lambda m: stamp_from_ns(_ns(m) + by_ns))


def _ns(message: Any) -> int:
    return int(message.header.stamp.sec) * SECOND + int(message.header.stamp.nanosec)


def _held_up(count: int) -> Change:
    """Messages come in bursts of so many."""
    kept: list[bytes] = []

    def change(cdr: bytes, stamp_ns: int) -> Messages:
        kept.append(cdr)
        if len(kept) < count:
            return []
        burst, kept[:] = list(kept), []
        return burst

    return change


def _swapped() -> Change:
    kept: list[bytes] = []

    def change(cdr: bytes, stamp_ns: int) -> Messages:
        kept.append(cdr)
        return [kept.pop(), kept.pop()] if len(kept) == 2 else []

    return change


def _frozen() -> Change:
    first: list[Any] = []

    def change(cdr: bytes, stamp_ns: int) -> Messages:
        message = deserialize_message(cdr, Image)
        first.append(message.data)
        message.data = first[0]
        return [message]

    return change


def _beside(peer: Peer, topic: str, kind: Any, frame: str, by_ns: int) -> Change:
    """The same message once more, from another publisher and frame."""

    def change(cdr: bytes, stamp_ns: int) -> Messages:
        other = deserialize_message(cdr, kind)
        other.header.frame_id = frame
        other.header.stamp = stamp_from_ns(stamp_ns + by_ns)
        peer.send(topic, other)
        return [cdr]

    return change


def _of_images(peer: Peer) -> list[Fault]:
    half: dict[str, Callable[[Any], Any]] = {  # in this order: the data by the new height
        'height': lambda m: m.height // 2,
        'data': lambda m: m.data[: m.step * m.height],
    }
    return [
        Fault('no images', 3.0, image=_nothing),
        Fault('a few images missing', 1.0, image=_nothing),
        Fault('black images', 2.0, image=_altered(Image, data=lambda m: bytes(len(m.data)))),
        Fault('a frozen image', 2.0, image=_frozen()),
        Fault('images of an unknown encoding', 1.0, image=_altered(Image, encoding=lambda m: 'rgb9')),
        Fault('images that contradict their size', 1.0, image=_altered(Image, step=lambda m: m.step + 1)),
        Fault('images with a side of 100,000', 1.0, image=_altered(Image, width=lambda m: 100_000)),
        Fault('images cut in half', 1.0, image=_altered(Image, **half)),
        Fault('images twice', 2.0, image=lambda cdr, _: [cdr, cdr]),
        Fault('late images', 1.0, image=_stamped(Image, -150 * MS)),
        Fault('images far in the future', 0.3, image=_stamped(Image, 1000 * SECOND)),
        Fault('images at 200 Hz', 1.0, image=_copies(Image, 20, 5 * MS)),
        Fault('a second camera', 2.0, image=_beside(peer, 'image by another', Image, 'right', 30 * MS)),
        Fault('another camera_info', 2.0, begin=lambda p: p.send('camera_info', 'wrong'), end=_right_camera),
    ]


def _right_camera(peer: Peer) -> None:
    peer.send('camera_info', 'right')


def _of_imu(peer: Peer) -> list[Fault]:
    nan = _altered(Imu, angular_velocity__x=lambda m: float('nan'))
    huge = _altered(Imu, linear_acceleration__y=lambda m: 1e300)
    in_g = _altered(Imu, linear_acceleration__z=lambda m: m.linear_acceleration.z / 9.81)
    return [
        Fault('no IMU', 2.5, imu=_nothing),
        Fault('a hole in the IMU', 0.1, imu=_nothing),
        Fault('IMU readings of NaN', 0.5, imu=nan),
        Fault('IMU readings of 1e300', 0.5, imu=huge),
        Fault('accelerometer in g', 3.0, imu=in_g),
        Fault('gyro in degrees', 1.0, imu=_altered(Imu, angular_velocity__z=lambda m: 57.3 * m.angular_velocity.z)),
        Fault('IMU readings twice', 2.0, imu=lambda cdr, _: [cdr, cdr]),
        Fault('IMU readings in the wrong order', 2.0, imu=_swapped()),
        Fault('IMU readings in bursts', 2.0, imu=_held_up(20)),
        Fault('IMU readings far in the future', 0.05, imu=_stamped(Imu, 1000 * SECOND)),
        Fault('IMU at 5 kHz', 2.0, imu=_copies(Imu, 50, MS // 5)),
        Fault('a second IMU', 2.0, imu=_beside(peer, 'imu by another', Imu, 'other_imu', 3 * MS)),
    ]


def _of_time() -> list[Fault]:
    return [
        Fault('time goes back by a minute', 0.1, begin=lambda peer: peer.shift(-60 * SECOND)),
        Fault('time goes ahead by an hour', 0.1, begin=lambda peer: peer.shift(3600 * SECOND)),
    ]


def _of_people() -> list[Fault]:
    def reset_to(variance: float, x: float) -> Act:
        request = ResetToPose.Request()
        request.pose.pose.position.x, request.pose.pose.orientation.w = x, 1.0
        request.pose.covariance[::7] = [variance] * 6
        return lambda peer: peer.call(ResetToPose, 'reset_to_pose', request)

    def parameter(name: str, value: Any) -> Act:
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return lambda peer: peer.call(SetParameters, 'set_parameters', request)

    def pause(data: bool) -> Act:
        return lambda peer: peer.call(SetBool, 'pause', SetBool.Request(data=data))

    def state(label: str) -> Act:
        request = ChangeState.Request(transition=Transition(label=label))
        return lambda peer: peer.call(ChangeState, 'change_state', request)

    frames = [_link('base_link', f'frame_{i}', 1.0) for i in range(10_000)]
    far = [_link('base_link', 'mast', 1e160), _link('mast', 'camera', 1.7e308)]
    return [
        Fault('reset', 0.1, begin=lambda peer: peer.call(Trigger, 'reset', Trigger.Request())),
        Fault('reset to a pose', 0.1, begin=reset_to(4.0, 100.0)),
        Fault('reset to a covariance of 1e308', 0.1, begin=reset_to(1e308, 0.0)),
        Fault('reset to 1e160 m', 0.1, begin=reset_to(1.0, 1e160)),
        Fault('pause', 2.0, begin=pause(True), end=pause(False)),
        Fault('deactivate', 2.0, begin=state('deactivate'), end=state('activate')),
        Fault('a parameter that cannot change', 0.1, begin=parameter('queue_limit', -3)),
        Fault('the transform turned round', 2.0, begin=parameter('invert_tf', True), end=parameter('invert_tf', False)),
        Fault('a message on rig that is none', 0.1, begin=lambda peer: peer.send('rig', String(data='a: [' * 100))),
        Fault('10,000 frames', 0.1, begin=lambda peer: peer.send('tf_static', TFMessage(transforms=frames))),
        Fault('transforms of 1e308 m', 0.1, begin=lambda peer: peer.send('tf_static', TFMessage(transforms=far))),
    ]


def _link(parent: str, child: str, z: float) -> TransformStamped:
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.transform.translation.z = z
    return message


def _of_the_process() -> list[Fault]:
    def stopped(peer: Peer) -> None:
        peer.signal(signal.SIGSTOP)

    def goes_on(peer: Peer) -> None:
        peer.signal(signal.SIGCONT)

    return [
        Fault('the process stopped', 3.0, begin=stopped, end=goes_on),
        Fault('the process stopped for a moment', 0.4, begin=stopped, end=goes_on),
    ]


def apply(active: Sequence[Fault], which: str, cdr: bytes, stamp_ns: int) -> Messages:
    """What is sent in place of one message while these faults last; those after the first change bytes only."""
    sent: Messages = [cdr]
    for fault in active:
        change = getattr(fault, which)
        if change is not None:
            sent = [new for old in sent for new in (change(old, stamp_ns) if isinstance(old, bytes) else [old])]
    return sent
