"""Which older image the newest is compared with: the slower the robot, the older, so that the road has moved enough."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, FramePair

WANTED_SHIFT_H = 0.3  # camera heights by which the road is to have moved
MOST_SPAN_S = 0.6
REMEMBERED = 12  # images
CHECKED = 4  # every so many pairs the image before is taken, however slow the robot seems
CHECK_WEIGHT = 0.1


class OlderImage(NamedTuple):
    """An image before the newest one."""

    frame: CameraFrame
    R_older_newest: FloatArray  # (3, 3) axes of the images
    span_s: float  # between the two
    weight: float  # of what the comparison says: the same images are compared more than once


class OlderImages:
    """Fed with every pair in order.

    A robot that is wrongly believed to be slow moves farther between images that are far apart than anybody looks for;
    so, now and then, the image just before is compared.
    """

    def __init__(self, checked: int | None = CHECKED) -> None:
        """`checked`: after how many pairs the image just before is compared; None: never."""
        self._checked = checked
        self.reset()

    def reset(self) -> None:
        """Forget the images before."""
        self._images: deque[tuple[CameraFrame, FloatArray]] = deque(maxlen=REMEMBERED)
        self._count = 0

    def choose(
        self, pair: FramePair, R_previous_current: FloatArray, speed_h: float | None, backward_h: float
    ) -> OlderImage:
        """Remember the pair's first image, and choose by the speed [camera heights a second]; None: not known.

        `backward_h` is the largest shift backward that is looked for [camera heights].
        """
        turned = [(frame, R_older_previous @ R_previous_current) for frame, R_older_previous in self._images]
        self._images = deque(turned, maxlen=REMEMBERED)
        self._images.append((pair.previous, R_previous_current))
        self._count += 1
        newest_ns = pair.current.stamp_ns
        best = OlderImage(*self._images[-1], pair.interval_s, 1.0)
        if speed_h is None:
            return best
        # Of backward shifts few are looked for: half of them leaves room for a robot that accelerates.
        wanted = WANTED_SHIFT_H if speed_h >= 0.0 else 0.5 * backward_h
        for frame, R_older_newest in reversed(self._images):
            span_s = (newest_ns - frame.stamp_ns) / NANOSECONDS
            if span_s > MOST_SPAN_S:
                break
            best = OlderImage(frame, R_older_newest, span_s, pair.interval_s / span_s)
            if abs(speed_h) * span_s >= wanted:
                break
        if self._checked and self._count % self._checked == 0 and best.weight < 1.0:
            return OlderImage(*self._images[-1], pair.interval_s, CHECK_WEIGHT)  # so small a shift is less clear
        return best
