"""A message_filters.Subscriber that takes messages as bytes and enters what arrives, and what does not, into
odometry.arrivals.Arrivals.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from message_filters import Subscriber
from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

try:
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ModuleNotFoundError:  # Humble's name for it
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

from atvio_ros.errors import MessageError
from atvio_ros.odometry.arrivals import Arrivals


@dataclass(frozen=True)
class Decoder:
    """How bytes become what is signalled; `identify` gives its frame and stamp [ns], `refuse` is told what is none."""

    decode: Callable[[bytes], Any]  # raises MessageError
    identify: Callable[[Any], tuple[str, int]]
    refuse: Callable[[str], None]


class _Counted(Subscriber):  # type: ignore[misc]
    """Without the middleware's numbers."""

    def __init__(self, arrivals: Arrivals, decoder: Decoder, *args: Any, **kwargs: Any) -> None:
        self._arrivals = arrivals
        self._decoder = decoder
        super().__init__(*args, **kwargs, raw=True)

    def callback(self, cdr: bytes) -> None:
        """Called by rclpy, or by OwnThread."""
        self._take(cdr, None, None)

    def _take(self, cdr: bytes, publisher: bytes | None, number: int | None) -> None:
        try:
            message = self._decoder.decode(cdr)
        except MessageError as error:
            self._decoder.refuse(str(error))
            return
        self._arrivals.take(*self._decoder.identify(message), publisher, number)
        self.signalMessage(message)


class _Numbered(_Counted):
    """rclpy hands message and information about it to a callback that takes two."""

    def callback(self, cdr: bytes, info: dict[str, Any]) -> None:  # type: ignore[override]
        """Called likewise."""
        gid = (info.get('publisher_gid') or {}).get('data')
        self._take(cdr, gid, info.get('publication_sequence_number'))


def subscribe(
    node: Node,
    kind: Any,
    topic: str,
    qos: QoSProfile,
    arrivals: Arrivals,
    decoder: Decoder,
    group: CallbackGroup | None = None,
) -> Subscriber:
    """Subscribe as a filter, counted. Where the middleware has no event for lost messages, without it.

    In a `group` of its own (own_thread.py) it has no events: with Fast DDS, whoever waits for one wakes up for every
    message. Numbers or stamps tell what is lost.
    """
    counted = _Numbered if hasattr(Subscription, 'CallbackType') else _Counted  # not in Humble's first releases
    if group is not None:
        no_events = SubscriptionEventCallbacks(use_default_callbacks=False)
        options = {'qos_profile': qos, 'callback_group': group, 'event_callbacks': no_events}
        return counted(arrivals, decoder, node, kind, topic, **options)
    events = SubscriptionEventCallbacks(message_lost=lambda event: arrivals.report_lost(event.total_count_change))
    try:
        return counted(arrivals, decoder, node, kind, topic, qos_profile=qos, event_callbacks=events)
    except UnsupportedEventTypeError:
        return counted(arrivals, decoder, node, kind, topic, qos_profile=qos)
