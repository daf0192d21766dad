"""What can be wrong with an image or an IMU reading that arrives in good form, in words that say what to do.

Functions judge one value. Classes remember: their `update` takes the next value and returns words if something is wrong
with the stream, None if not. All depend on data and stamps alone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import cv2
import numpy as np

from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, FramePair, ImageArray, ImuSample

GRAVITY = 9.81  # m/s^2
GRAVITY_TOLERANCE = 1.5  # m/s^2; a car brakes with less, and most accelerometers are better
GRAVITY_TIME_NS = NANOSECONDS
GRAVITY_BESIDE_DEG = 20.0  # of base z, at the start: a slope of 20 % and an acceleration of 1.5 m/s^2 together
GRAVITY_BESIDE_LATER_DEG = 30.0  # a ground vehicle in any 10 s
GRAVITY_FEWEST_S, GRAVITY_MEMORY_S = 3, 10  # of seconds that its direction is told from

_IN_ANY_UNIT = 1e9  # more is no acceleration, and its square may overflow

# Beyond what any robot with a camera does and what usual IMUs can measure (2000 deg/s, 16 g).
LARGEST_TURN_RATE = 35.0  # rad/s
LARGEST_FORCE = 160.0  # m/s^2

# An axis at the end of its range reads one value again and again. The smallest usual ranges are 250 deg/s and 2 g.
CLIPPED_READINGS = 5
CLIPPED_TURN_RATE = 2.0  # rad/s
CLIPPED_FORCE = 19.0  # m/s^2

ROWS_FOR_BLANK = 200  # that are looked at of an image
BLANK_RANGE = 6  # grey levels between the darkest and the brightest hundredth of an image that shows nothing

BLANK = (
    'the camera image is blank: uncover the lens, or check exposure and driver. '
    'Until then the position is extrapolated from the last speed'
)
FROZEN = (
    'the camera repeats the same image, to the bit: restart its driver. '
    'Until then the position is extrapolated from the last speed'
)


def is_blank(image: ImageArray) -> bool:
    """Whether an image (H, W, C) is black, white or all one grey but for noise, so that no motion can be seen."""
    rows = image.reshape(len(image), -1)[:: max(1, len(image) // ROWS_FOR_BLANK)]
    counts = cv2.calcHist([rows], [0], None, [256], [0, 256])
    below = counts.astype(np.int64).cumsum()  # a histogram gives the percentiles without sorting the pixels
    hundredth = rows.size // 100
    dark, bright = np.searchsorted(below, [hundredth, rows.size - 1 - hundredth], side='right')
    return int(bright) - int(dark) <= BLANK_RANGE


def is_repeated(pair: FramePair) -> bool:
    """Whether both images are the same to the bit. No camera does that: even at rest its images differ by noise."""
    return np.array_equal(pair.previous.image, pair.current.image)


def implausible(sample: ImuSample) -> str | None:
    """Why a reading cannot be true, in words; None if it can. Raises nothing on NaN: the buffer refuses that."""
    turn_rate, force = _largest(sample.angular_velocity), _largest(sample.linear_acceleration)
    if turn_rate > LARGEST_TURN_RATE:
        return (
            f'A gyro reading of {turn_rate:.4g} rad/s is not possible (limit {LARGEST_TURN_RATE:g}). '
            'Does the driver publish degrees per second? Multiply by pi / 180.'
        )
    if force > LARGEST_FORCE:
        return (
            f'An accelerometer reading of {force:.4g} m/s^2 is not possible (limit {LARGEST_FORCE:g}). '
            'Does the driver publish milli-g or raw counts? It must publish m/s^2.'
        )
    return None


def _largest(vector: FloatArray) -> float:
    """Magnitude of the largest component of (3,); plain numbers take a tenth of the time of arrays so small."""
    x, y, z = vector.tolist()
    return float(max(abs(x), abs(y), abs(z)))


class GravityCheck:
    """The mean specific force of each second: units and sign of the accelerometer, and how the IMU is mounted.

    Its length is checked until it is once that of gravity; its direction always, over 3 to 10 seconds: on the ground
    it is near base z. `R_base_imu` (3, 3) turns readings into the axes of the base; None: they are in them. What is
    wrong is said again every second, for it does not get better by itself.
    """

    def __init__(self, R_base_imu: FloatArray | None = None) -> None:
        self._up_imu = np.array([0.0, 0.0, 1.0]) if R_base_imu is None else R_base_imu[2]
        self._passed = self._upright = False
        self._start_ns: int | None = None
        self._sum = [0.0, 0.0, 0.0]
        self._count = 0
        self._means: deque[FloatArray] = deque(maxlen=GRAVITY_MEMORY_S)

    def update(self, sample: ImuSample) -> str | None:
        """Take the next reading."""
        return self.take(sample.stamp_ns, sample.linear_acceleration.tolist())

    def take(self, stamp_ns: int, force: Sequence[float]) -> str | None:
        """As `update`, of a specific force in three numbers [m/s^2]."""
        x, y, z = force
        if not (abs(x) < _IN_ANY_UNIT and abs(y) < _IN_ANY_UNIT and abs(z) < _IN_ANY_UNIT):  # NaN neither
            return None
        if self._start_ns is None or not 0 <= stamp_ns - self._start_ns <= 2 * GRAVITY_TIME_NS:
            self._begin(stamp_ns)  # the first one, or one after a gap or a time jump
        total = self._sum
        total[0] += x
        total[1] += y
        total[2] += z
        self._count += 1
        if self._start_ns is None or stamp_ns - self._start_ns < GRAVITY_TIME_NS:
            return None
        mean = np.array(total) / self._count
        self._begin(stamp_ns)
        length = float(np.linalg.norm(mean))
        if not self._passed:
            self._passed = abs(length - GRAVITY) <= GRAVITY_TOLERANCE
        return self._direction(mean) if self._passed else gravity_words(length)

    def _direction(self, mean: FloatArray) -> str | None:
        self._means.append(mean)
        if len(self._means) < GRAVITY_FEWEST_S:
            return None
        gravity = np.mean(self._means, axis=0)
        length = float(np.linalg.norm(gravity))
        if length < GRAVITY / 2:  # readings that have become useless in another way
            return None
        beside_deg = float(np.degrees(np.arccos(np.clip(gravity @ self._up_imu / length, -1.0, 1.0))))
        limit_deg = GRAVITY_BESIDE_LATER_DEG if self._upright else GRAVITY_BESIDE_DEG
        self._upright = self._upright or beside_deg <= limit_deg
        return None if beside_deg <= limit_deg else gravity_beside_words(beside_deg)

    def _begin(self, stamp_ns: int) -> None:
        self._start_ns, self._sum, self._count = stamp_ns, [0.0, 0.0, 0.0], 0


def gravity_beside_words(beside_deg: float) -> str:
    """What a mean specific force so far away from base z tells about the robot."""
    return (
        f'gravity is {beside_deg:.0f} deg away from base z: base_to_imu is wrong, or this is no ground vehicle, whose '
        'motion cannot be measured by the road'
    )


def gravity_words(mean: float) -> str:
    """What a mean specific force [m/s^2] that is not gravity's tells about the driver."""
    found = f'the mean of linear_acceleration is {mean:.2f}, not 9.81 m/s^2'
    if 0.85 <= mean <= 1.15:
        return f'{found}: the driver publishes g; multiply by 9.81'
    if mean < 0.5:
        return f'{found}: the driver has removed gravity; the network needs the specific force with it (REP 145)'
    if 0.85 <= mean / (1000.0 * GRAVITY) <= 1.15 or 850.0 <= mean <= 1150.0:
        return f'{found}: the driver publishes thousandths; REP 145 asks for m/s^2'
    return f'{found}: check units and calibration of the accelerometer'


class ClippingCheck:
    """Axes that stay at one large value, to the bit: the motion is beyond the sensor's range."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._last = np.full(6, np.nan)
        self._repeats = np.zeros(6, dtype=int)
        self._small = True  # the reading before

    def update(self, sample: ImuSample) -> str | None:
        """Take the next reading."""
        w, a = sample.angular_velocity, sample.linear_acceleration
        if _largest(w) < CLIPPED_TURN_RATE and _largest(a) < CLIPPED_FORCE:  # nearly all: no axis of it is at an end
            if not self._small:
                self._forget()
            return None
        self._small = False
        values: FloatArray = np.concatenate((w, a))
        self._repeats = np.where(values == self._last, self._repeats + 1, 1)
        self._last = values
        large = np.abs(values) >= np.array([CLIPPED_TURN_RATE] * 3 + [CLIPPED_FORCE] * 3)
        clipped = np.flatnonzero(large & (self._repeats >= CLIPPED_READINGS))
        if not len(clipped):
            return None
        sensor = 'gyro' if clipped[0] < 3 else 'accelerometer'
        return f'the {sensor} is at the end of its range: set a larger one in its driver'


class SightCheck:
    """The images of one frame pair after the other. Looks at each once: the second of a pair is the first of the next.

    Nothing but speed depends on what it remembers.
    """

    def __init__(self) -> None:
        self._newest: CameraFrame | None = None
        self._newest_blank = False

    def update(self, pair: FramePair) -> str | None:
        """Take the next pair: why its images show no motion, in words; None if they may."""
        previous_blank = self._newest_blank if pair.previous is self._newest else _shows_nothing(pair.previous)
        self._newest, self._newest_blank = pair.current, _shows_nothing(pair.current)
        if previous_blank or self._newest_blank:
            return BLANK
        return FROZEN if is_repeated(pair) else None


def _shows_nothing(frame: CameraFrame) -> bool:
    return is_blank(frame.image) if frame.blank is None else frame.blank


class SizeCheck:
    """Images as they arrive, before they are scaled to what the network takes."""

    def __init__(self) -> None:
        self._size: tuple[int, int] | None = None

    def update(self, height_px: int, width_px: int) -> str | None:
        """Take the size of the next image."""
        before, self._size = self._size, (height_px, width_px)
        if before is None or before == self._size:
            return None
        return (
            f'the images are {width_px}x{height_px} now, {before[1]}x{before[0]} before: if the camera shows another '
            'part of the scene, distances will be wrong; set the camera to one size and restart'
        )
