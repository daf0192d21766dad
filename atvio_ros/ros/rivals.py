"""Notices who else publishes what atvio_node does: a second node of its name, of its odometry, of its transform."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription
from tf2_msgs.msg import TFMessage

from atvio_ros.message_decoding import stamp_ns

LISTEN_S = 5.0  # to /tf, when somebody new publishes there: a robot's tree may have hundreds of messages a second
REMEMBERED = 200  # of our own transforms, which come back, too
TRANSFORMS = '/tf'

_Key = tuple[int, float, float, float]


class Rivals:
    """Call `words` now and then: what is wrong, with what to do; '' while nothing is.

    `odometry` is a topic as in create_publisher. `sent` is to be called, from any thread, with each transform that the
    node broadcasts. `clock` gives seconds, for tests.
    """

    def __init__(self, node: Node, odometry: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._odometry = str(node.resolve_topic_name(odometry))
        self._clock = clock
        self._lock = threading.Lock()  # of what was sent
        self._ours: deque[_Key] = deque(maxlen=REMEMBERED)
        self._child, self._parent = '', ''  # of what we broadcast
        self._known: frozenset[str] = frozenset()  # other nodes on /tf that have been listened to
        self._listening: Subscription | None = None
        self._until_s = 0.0
        self._on_tf = ''  # what was heard there

    def sent(self, transform: TransformStamped) -> None:
        """Remember one of ours."""
        p = transform.transform.translation
        self.sent_values(
            transform.header.frame_id, transform.child_frame_id, stamp_ns(transform.header.stamp), (p.x, p.y, p.z)
        )

    def sent_values(self, parent: str, child: str, at_ns: int, translation: tuple[float, float, float]) -> None:
        """The same, of a transform that is no message."""
        with self._lock:
            self._parent, self._child = parent, child
            self._ours.append((at_ns, *translation))

    def words(self, broadcasts: bool) -> str:
        """All that is wrong now, in one line; `broadcasts`: whether the node publishes its transform at present."""
        self._listen(broadcasts)
        return '; '.join(filter(None, (self._same_name(), self._same_topic(), self._on_tf)))

    def close(self) -> None:
        """Stop listening."""
        if self._listening:
            self._node.destroy_subscription(self._listening)
            self._listening = None

    def _same_name(self) -> str:
        ours = self._node.get_name(), self._node.get_namespace()
        count = self._node.get_node_names_and_namespaces().count(ours)
        if count < 2:
            return ''
        name = self._node.get_fully_qualified_name()
        return f'{count} nodes are named {name}: stop the other, which an earlier launch may have left, or rename one'

    def _same_topic(self) -> str:
        others = self._others(self._odometry)
        if not others:
            return ''
        who = ', '.join(sorted(set(others)))
        return f'{self._odometry} is also published by {who}: stop it, or remap one of the two'

    def static_parent(self, parent: str) -> str:
        """What is wrong where /tf_static has `parent` above the frame that we broadcast; '' where that is none."""
        if parent in ('', self._parent) or not self._child:
            return ''
        return (
            f'{self._child} has a parent on /tf_static, {parent}, and a frame has one: set base_frame to {parent}, '
            f'publish_tf to false, or publish {self._child} -> {parent} instead'
        )

    def _listen(self, broadcasts: bool) -> None:
        """Subscribe to /tf for a while whenever there are publishers that were not there before."""
        others = frozenset(self._others(TRANSFORMS)) if broadcasts and self._child else frozenset()
        if not others:
            self._on_tf = ''
        if self._listening and self._clock() > self._until_s:
            self.close()
        elif not self._listening and others - self._known:
            self._until_s, self._on_tf = self._clock() + LISTEN_S, ''
            qos = QoSProfile(depth=100)
            self._listening = self._node.create_subscription(TFMessage, TRANSFORMS, self._hear, qos)
        self._known = others

    def _hear(self, message: TFMessage) -> None:
        for transform in message.transforms:
            with self._lock:
                if transform.child_frame_id != self._child or _key(transform) in self._ours:
                    continue
            parent = transform.header.frame_id
            if parent == self._parent:
                self._on_tf = (
                    f'another node broadcasts {parent} -> {self._child}: set publish_tf to false here, or stop it there'
                )
            else:
                self._on_tf = (
                    f'another node broadcasts {parent} -> {self._child}, and a frame has one parent: set invert_tf, or '
                    'publish_tf to false'
                )

    def _others(self, topic: str) -> list[str]:
        """Full names of the nodes that publish there, without one publisher of ours."""
        ours = self._node.get_fully_qualified_name()
        names = [
            f'{info.node_namespace.rstrip("/")}/{info.node_name}'
            for info in self._node.get_publishers_info_by_topic(topic)
        ]
        if ours in names:
            names.remove(ours)
        return names


def _key(transform: TransformStamped) -> _Key:
    p = transform.transform.translation
    return stamp_ns(transform.header.stamp), p.x, p.y, p.z
