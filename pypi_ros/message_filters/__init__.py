"""Stand-in for message_filters where PyPI is all there is: SimpleFilter and Subscriber, used as the real ones are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class SimpleFilter:
    """A source of messages: whoever registered is called, in order of registration, with each message signalled."""

    def __init__(self) -> None:
        self.callbacks: dict[int, tuple[Callable[..., Any], tuple[Any, ...]]] = {}

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:  # noqa: N802 (the real name)
        """Have `cb(*message, *args)` called on every output; returns the number of the connection."""
        connection = len(self.callbacks)
        self.callbacks[connection] = (cb, args)
        return connection

    def signalMessage(self, *msg: Any) -> None:  # noqa: N802 (the real name)
        """Hand `msg` to all registered callbacks."""
        for callback, arguments in self.callbacks.values():
            callback(*msg, *arguments)


class Subscriber(SimpleFilter):
    """A subscription as a filter: Subscriber(node, message type, topic, **what Node.create_subscription takes)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.node, message_type, self.topic, *rest = args
        kwargs.setdefault('qos_profile', 10)
        self.sub = self.node.create_subscription(message_type, self.topic, *rest, self.callback, **kwargs)

    def callback(self, msg: Any) -> None:
        """Pass a received message on."""
        self.signalMessage(msg)

    def getTopic(self) -> str:  # noqa: N802 (the real name)
        """The topic as given."""
        return str(self.topic)

    def __getattr__(self, key: str) -> Any:
        # The real class forwards what it lacks to its rclpy subscription (destroy, topic_name, ...).
        if key == 'sub':
            raise AttributeError(key)
        return getattr(self.sub, key)
