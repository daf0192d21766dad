"""The state that odometry is in, from what became of the inputs. Pure: whoever asks brings the time."""

from __future__ import annotations

import enum
from collections import Counter, deque
from dataclasses import dataclass

from atvio_ros.odometry.ledger import Reason
from atvio_ros.types import OdometryEstimate


class TrackingState(enum.Enum):
    """How far the odometry is to be trusted. docs/odometry.md has the table of transitions."""

    WAITING = 'waiting'  # no odometry yet
    TRACKING = 'tracking'
    DEGRADED = 'degraded'  # there is odometry, but input was lost or looks wrong
    STATIONARY = 'stationary'  # the standstill gate holds the pose
    LOST = 'lost'  # there was odometry, and there is none now


HARMLESS = frozenset({Reason.FIRST_IMAGE, Reason.PAUSED, Reason.RESET, Reason.INACTIVE, Reason.IMU_DUPLICATE})
_REMEMBERED = 1000  # drops and warnings; more within hold_s change no state


@dataclass(frozen=True)
class MonitorLimits:
    """When the state changes."""

    hold_s: float = 2.0  # a drop or a warning degrades for so long
    lost_after_s: float = 1.0  # without an estimate, once there was one
    failures: int = 5  # pairs in a row that the network failed on


@dataclass(frozen=True)
class _Event:
    at_s: float
    name: str
    text: str


class TrackingMonitor:
    """Told about estimates, drops and warnings as they happen, says which state that makes and why.

    `now_s` is any clock that does not go back [s], the same in all calls. Not thread-safe.
    """

    def __init__(self, limits: MonitorLimits | None = None) -> None:
        self.limits = limits or MonitorLimits()
        self._standing: dict[str, str] = {}
        self.reset()

    def reset(self) -> None:
        """As at the start: waiting. What stands goes on."""
        self._estimate_s: float | None = None
        self._stationary = False
        self._failures = 0
        self._events: deque[_Event] = deque(maxlen=_REMEMBERED)
        self._last: _Event | None = None

    def on_estimate(self, estimate: OdometryEstimate, now_s: float) -> None:
        """Odometry came out; its own warnings count, too."""
        self._estimate_s = now_s
        self._stationary = estimate.stationary
        self._failures = 0
        if estimate.gap_s > 0.0:  # by the stamps: a machine that stalls makes odometry late, not less certain
            self._add(_Event(now_s, 'gap', f'odometry went on after {estimate.gap_s:.3g} s without, less certain'))
        for text in estimate.warnings:
            self.on_warning(text, now_s)

    def on_drop(self, reason: Reason, now_s: float, detail: str = '') -> None:
        """An input was dropped."""
        if reason is Reason.FAILED:
            self._failures += 1
        if reason not in HARMLESS:
            self._add(_Event(now_s, reason.value, detail))

    def on_warning(self, text: str, now_s: float) -> None:
        """Something about the input looks wrong; `text` says what, and what to do."""
        self._add(_Event(now_s, '', text))

    def stand(self, name: str, text: str) -> None:
        """Something is wrong from now on, until the same `name` comes with an empty text."""
        if text:
            self._standing[name] = text
        else:
            self._standing.pop(name, None)

    def state(self, now_s: float) -> tuple[TrackingState, str]:
        """The state now, and the reason in words; '' while there is nothing to say."""
        while self._events and now_s - self._events[0].at_s > self.limits.hold_s:
            self._events.popleft()
        if self._estimate_s is None:
            return TrackingState.WAITING, self._words() or 'no odometry yet'
        if self._is_lost(now_s):
            return TrackingState.LOST, self._why_lost(now_s)
        if self._events or self._standing:
            return TrackingState.DEGRADED, self._words()
        if self._stationary:
            return TrackingState.STATIONARY, ''
        return TrackingState.TRACKING, ''

    def _add(self, event: _Event) -> None:
        self._events.append(event)
        self._last = event

    def _is_lost(self, now_s: float) -> bool:
        silent_s = now_s - (self._estimate_s if self._estimate_s is not None else now_s)
        return self._failures >= self.limits.failures or silent_s > self.limits.lost_after_s

    def _why_lost(self, now_s: float) -> str:
        if self._failures >= self.limits.failures:
            text = f'the network failed on {self._failures} frame pairs in a row'
        else:
            text = f'no odometry for {now_s - (self._estimate_s or 0.0):.1f} s'
        last = self._words() or (f'last: {_said(self._last)}' if self._last else '')
        return f'{text}; {last}' if last else text

    def _words(self) -> str:
        """What is remembered: each kind of event once, with how often, and the newest words about it."""
        counts = Counter(event.name or event.text for event in self._events)
        newest = {event.name or event.text: event for event in self._events}
        standing = list(dict.fromkeys(self._standing.values()))
        passing = [
            f'{_said(newest[key])}' + (f' ({count}x)' if count > 1 else '')
            for key, count in counts.items()
            if key not in standing
        ]
        return '; '.join((*standing, *passing))


def _said(event: _Event) -> str:
    return ': '.join(filter(None, (event.name, event.text)))
