"""What waits between the thread that receives and the thread that infers. When it is full, images give way."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque

from atvio_ros.odometry.frame_pairs import skip_shared_frame
from atvio_ros.types import FramePair


class PairQueue:
    """A bounded queue of frame pairs for one consumer; thread-safe.

    When one more pair than `limit` waits, the oldest waiting image is skipped: the pairs on both its sides become one
    that spans them, with the IMU readings of both, so no IMU is lost and the odometry stays connected. Where that pair
    would span more than `max_gap_ns`, the older one is skipped whole and the next begins a new stretch: no network was
    trained on such steps, and under a long stall the IMU readings of one pair would grow without end. Either way it is
    one image that yields no odometry.
    """

    def __init__(self, limit: int, max_gap_ns: int | None = None) -> None:
        self._limit = limit
        self._max_gap_ns = max_gap_ns
        self._pairs: deque[FramePair] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def __len__(self) -> int:
        return len(self._pairs)

    def put(self, pair: FramePair) -> int:
        """Append a pair; returns the number of images that had to be skipped (0 or 1)."""
        with self._changed:
            self._pairs.append(pair)
            self._changed.notify()
            if len(self._pairs) <= self._limit:
                return 0
            oldest, second = self._pairs.popleft(), self._pairs[0]
            if second.continues:
                self._pairs[0] = self._joined(oldest, second)
            return 1

    def wait(self) -> bool:
        """Wait until a pair is there; False once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._pairs or self._closed)
            return not self._closed

    def take(self) -> FramePair | None:
        """The oldest pair, without waiting; None when none waits."""
        with self._changed:
            return self._pairs.popleft() if self._pairs else None

    def oldest(self) -> FramePair | None:
        """The pair that take would give, left where it is; None when none waits."""
        with self._changed:
            return self._pairs[0] if self._pairs else None

    def clear(self) -> int:
        """Forget what waits; returns how many pairs that were."""
        with self._changed:
            forgotten = len(self._pairs)
            self._pairs.clear()
            return forgotten

    def close(self) -> None:
        """Wake the consumer for good: every wait returns False from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _joined(self, first: FramePair, second: FramePair) -> FramePair:
        span_ns = second.current.stamp_ns - first.previous.stamp_ns
        if self._max_gap_ns is not None and span_ns > self._max_gap_ns:
            return dataclasses.replace(second, continues=False)
        return skip_shared_frame(first, second)
