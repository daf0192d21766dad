"""What waits between the thread that receives and the thread that infers. When it is full, images give way."""

from __future__ import annotations

import threading
from collections import deque

from atvio_ros.odometry.frame_pairs import skip_shared_frame
from atvio_ros.types import FramePair


class PairQueue:
    """A bounded queue of frame pairs for one consumer; thread-safe.

    When one more pair than `limit` waits, the oldest waiting image is skipped: the pairs on both its sides become one
    that spans them, with the IMU readings of both, so no IMU is lost and the odometry stays connected.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
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
            oldest = self._pairs.popleft()
            if self._pairs[0].continues:
                self._pairs[0] = skip_shared_frame(oldest, self._pairs[0])
            return 1

    def get(self) -> FramePair | None:
        """The oldest pair, waiting for one; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._pairs or self._closed)
            return None if self._closed else self._pairs.popleft()

    def clear(self) -> int:
        """Forget what waits; returns how many pairs that were."""
        with self._changed:
            forgotten = len(self._pairs)
            self._pairs.clear()
            return forgotten

    def close(self) -> None:
        """Wake the consumer for good: every get returns None from now on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
