"""A message_filters.Subscriber that enters what arrives, and what does not, into odometry.arrivals.Arrivals."""

from __future__ import annotations

from typing import Any

from message_filters import Subscriber
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ModuleNotFoundError:  # Humble's name for it
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

from atvio_ros.message_decoding import header_frame, header_stamp_ns
from atvio_ros.odometry.arrivals import Arrivals


class _Counted(Subscriber):  # type: ignore[misc]
    """Without the middleware's numbers."""

    def __init__(self, arrivals: Arrivals, *args: Any, **kwargs: Any) -> None:
        self._arrivals = arrivals
        super().__init__(*args, **kwargs)

    def callback(self, msg: Any) -> None:
        """Called by rclpy."""
        self._arrivals.take(header_frame(msg), header_stamp_ns(msg))
        self.signalMessage(msg)


class _Numbered(_Counted):
    """rclpy hands message and information about it to a callback that takes two."""

    def callback(self, msg: Any, info: dict[str, Any]) -> None:  # type: ignore[override]
        """Called by rclpy."""
        gid = (info.get('publisher_gid') or {}).get('data')
        self._arrivals.take(header_frame(msg), header_stamp_ns(msg), gid, info.get('publication_sequence_number'))
        self.signalMessage(msg)


def subscribe(node: Node, kind: Any, topic: str, qos: QoSProfile, arrivals: Arrivals) -> Subscriber:
    """Subscribe as a filter, counted. Where the middleware has no event for lost messages, without it."""
    counted = _Numbered if hasattr(Subscription, 'CallbackType') else _Counted  # not in Humble's first releases
    events = SubscriptionEventCallbacks(message_lost=lambda event: arrivals.report_lost(event.total_count_change))
    try:
        return counted(arrivals, node, kind, topic, qos_profile=qos, event_callbacks=events)
    except UnsupportedEventTypeError:
        return counted(arrivals, node, kind, topic, qos_profile=qos)
