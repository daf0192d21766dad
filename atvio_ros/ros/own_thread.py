"""A subscription that is served by a thread of its own, and by no executor.

rclpy's executors put a wait set together for every message, of all that a node has: with the services of a managed
node that costs more than the message. This wait set holds one subscription, and is made once. And readings do not wait
while an image is decoded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from message_filters import Subscriber
from rclpy.callback_groups import CallbackGroup
from rclpy.exceptions import InvalidHandle
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node

from atvio_ros.ros.thread_names import name_this_thread

_LONGEST_WAIT_NS = 100_000_000  # the end may be asked for meanwhile


class NoExecutor(CallbackGroup):  # type: ignore[misc]
    """Keeps executors away from what is in it."""

    def can_execute(self, entity: Any) -> bool:
        """Never."""
        return False

    def beginning_execution(self, entity: Any) -> bool:
        """Never."""
        return False

    def ending_execution(self, entity: Any) -> None:
        """Nothing has begun."""


class OwnThread:
    """Calls the callback of a subscriber, made in a NoExecutor group, in a thread called `name` until it is closed.

    `now_and_then` is called there at least every tenth of a second, unless the callback takes longer.
    """

    def __init__(
        self, node: Node, subscriber: Subscriber, name: str, now_and_then: Callable[[], None] = lambda: None
    ) -> None:
        self._node = node
        self._subscriber = subscriber
        self._name = name
        self._now_and_then = now_and_then
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """False once the thread has ended, which only close and the end of the context should cause."""
        return self._thread.is_alive() or self._closed or not self._node.context.ok()

    def close(self) -> None:
        """End the thread; no callback runs afterwards. Not to be called from the callback."""
        self._closed = True
        self._thread.join()

    def _run(self) -> None:
        name_this_thread(self._name)
        try:
            self._serve()
        except (RuntimeError, InvalidHandle):  # what rclpy raises for what is still tried after a shutdown
            if self._node.context.ok():
                raise

    def _serve(self) -> None:
        subscription, callback, context = self._subscriber.sub, self._subscriber.callback, self._node.context
        numbered = hasattr(type(subscription), 'CallbackType')  # see counted_subscriber.subscribe
        with subscription.handle, context.handle:
            waiting = rclpy_implementation.WaitSet(1, 0, 0, 0, 0, 0, context.handle)
            while not self._closed and context.ok():
                waiting.clear_entities()
                waiting.add_subscription(subscription.handle)
                waiting.wait(_LONGEST_WAIT_NS)
                while not self._closed and (taken := subscription.handle.take_message(subscription.msg_type, True)):
                    callback(*taken) if numbered else callback(taken[0])
                self._now_and_then()
