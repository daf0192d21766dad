"""How the messages of one topic arrive: how many are lost on the way, and whether several sources share the topic.

The middleware numbers what a publisher sends, and most tell the number with each message: then losses are counted
exactly. Without numbers the larger of what the middleware reports as lost and what the stamps show as missing is taken.
"""

from __future__ import annotations

import statistics
import threading
from collections import Counter, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from itertools import pairwise

from atvio_ros.types import NANOSECONDS
from atvio_ros.words import listed

_REMEMBERED = 40  # messages that turns are looked for in
_FEWEST_TURNS, _FEWEST_EACH = 6, 3  # a driver that restarts under another name takes over once
_INTERVALS, _OFTEN = 100, 10  # that the usual one is taken from, and after how many it is taken anew
_LONGEST_GAP_NS = 60 * NANOSECONDS  # beyond, stamps tell of another time, not of losses
_MOST_PUBLISHERS = 32
_LARGEST_STEP = 1000  # between numbers of one publisher that nobody names


@dataclass(frozen=True)
class Arrived:
    """What came since the last time somebody asked."""

    received: int = 0
    lost: int = 0  # on their way here
    frames: tuple[str, ...] = ()  # frame_ids that take turns; empty where there is one source
    publishers: int = 0  # that take turns; 0 where there is one source


@dataclass
class Arrivals:
    """Counts messages as they come. Depends on what it is told alone. One thread may tell, another ask."""

    lost: int = 0  # since the beginning
    _numbers: dict[Hashable, int] = field(default_factory=dict)  # publisher -> the newest of its messages
    _numbered: bool = False
    _series_made: int = 0  # without the name of a publisher
    _reported: int = 0  # as lost by the middleware
    _missing: int = 0  # by the stamps
    _told: int = 0  # of `lost`, when somebody asked
    _received: int = 0
    _last_ns: int | None = None
    _intervals_ns: deque[int] = field(default_factory=lambda: deque(maxlen=_INTERVALS))
    _usual_ns: float = 0.0  # interval, as of a few messages ago
    _until_next: int = 10
    _newest: deque[tuple[str, Hashable]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def take(self, frame_id: str, stamp_ns: int, publisher: Hashable = None, number: int | None = None) -> None:
        """The next message; `number` is its place among all that its publisher has sent, None where nobody tells."""
        with self._lock:
            self._take(frame_id, stamp_ns, publisher, number)

    def _take(self, frame_id: str, stamp_ns: int, publisher: Hashable, number: int | None) -> None:
        self._received += 1
        if publisher is None and number is not None:
            publisher = self._series(number)
        self._newest.append((frame_id, publisher))
        if number is None:
            self._take_stamp(stamp_ns)
            return
        self._numbered = True
        before = self._numbers.pop(publisher, None)
        if before is not None and number > before:
            self.lost += number - before - 1
        self._numbers[publisher] = number if before is None else max(number, before)
        if len(self._numbers) > _MOST_PUBLISHERS:
            del self._numbers[next(iter(self._numbers))]  # the one that was silent for longest

    def _series(self, number: int) -> int:
        """Stands in for the publisher where nobody names it (rclpy up to Jazzy): each counts by itself, so numbers that
        go on from each other are of one. Of several that fit, the one that was silent for longest."""
        series = [(newest, name) for name, newest in self._numbers.items() if isinstance(name, int)]
        fitting = [(newest, name) for newest, name in series if 0 < number - newest <= _LARGEST_STEP]
        if fitting:
            return max(fitting, key=lambda each: each[0])[1]
        self._series_made += 1
        return self._series_made

    def restart(self) -> None:
        """Somebody listens again: what was sent meanwhile is not lost."""
        self._numbers.clear()
        self._newest.clear()
        self._last_ns = None

    def report_lost(self, count: int) -> None:
        """What the middleware says it has lost."""
        self._reported += count

    def ask(self) -> Arrived:
        """What came since the last call; losses are entered into `lost`."""
        with self._lock:
            return self._ask()

    def _ask(self) -> Arrived:
        unnumbered = 0 if self._numbered else max(self._reported, self._missing)
        self._reported = self._missing = 0
        self.lost += unnumbered
        lost, received = self.lost - self._told, self._received
        self._told, self._received = self.lost, 0
        return Arrived(received, lost, *(self._turns() if received else ((), 0)))

    def _turns(self) -> tuple[tuple[str, ...], int]:
        """Frames and number of publishers of which messages come by turns."""
        if sum(one != other for one, other in pairwise(self._newest)) < _FEWEST_TURNS:
            return (), 0
        often = [source for source, count in Counter(self._newest).items() if count >= _FEWEST_EACH]
        if len(often) < 2:
            return (), 0
        return tuple(sorted({frame for frame, _ in often})), len({publisher for _, publisher in often})

    def _take_stamp(self, stamp_ns: int) -> None:
        before, self._last_ns = self._last_ns, stamp_ns
        if before is None or not 0 < stamp_ns - before < _LONGEST_GAP_NS:
            return
        interval_ns = stamp_ns - before
        if self._usual_ns:
            self._missing += max(0, round(interval_ns / self._usual_ns) - 1)
        self._intervals_ns.append(interval_ns)
        self._until_next -= 1
        if self._until_next <= 0:
            self._usual_ns, self._until_next = statistics.median(self._intervals_ns), _OFTEN


def lost_words(
    what: str, topic: str, arrived: Arrived, time_s: float, parameters: str, depth: int, reliable: bool = False
) -> str:
    """What to say of losses; '' without any. `parameters`: image or imu, as the node's parameters begin."""
    if not arrived.lost:
        return ''
    return (
        f'{arrived.lost} of {arrived.lost + arrived.received} {what} on {topic} were lost on their way in the last '
        f'{time_s:.0f} s: raise {parameters}_depth ({depth}), '
        f'{"" if reliable else f"set {parameters}_reliability to reliable, "}or lower the rate'
    )


def turns_words(what: str, topic: str, arrived: Arrived, nodes: tuple[str, ...] = ()) -> str:
    """What to say of sources that take turns on one topic; '' where there is one. `nodes`: who publishes there, as far
    as that is known."""
    if not arrived.publishers:
        return ''
    frames = listed([frame or 'without frame_id' for frame in arrived.frames])
    who = f'; nodes: {listed(nodes)}' if nodes else ''
    return (
        f'{what} on {topic} come by turns from {max(len(arrived.frames), arrived.publishers)} sources (frame_id: '
        f'{frames}{who}): the odometry needs one. Remap to the topic of one'
    )
