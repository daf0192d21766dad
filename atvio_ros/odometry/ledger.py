"""The books of the odometry: what came in, and what became of it. Whoever uses or drops an input enters it here."""

from __future__ import annotations

import enum
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias


class Reason(str, enum.Enum):
    """Why an image yields no odometry, or an IMU reading is not used."""

    FIRST_IMAGE = 'first_image'  # it starts a stretch: odometry begins with the next one
    IMAGE_GAP = 'image_gap'  # too long after the one before; starts a new stretch
    IMU_GAP = 'imu_gap'  # IMU readings are missing before it; starts a new stretch
    TIME_JUMP = 'time_jump'  # was waiting when time went back
    IMAGE_STAMP = 'image_stamp_not_increasing'
    IMAGE_INVALID = 'image_invalid'
    NO_IMU = 'no_imu'  # waited in vain for the IMU to pass it
    OVERLOAD = 'overload'  # the network did not keep up
    PAUSED = 'paused'
    RESET = 'reset'  # was waiting when the odometry was reset
    INACTIVE = 'inactive'  # was waiting when the node was deactivated
    NO_TRANSFORM = 'no_transform'  # came before the pose of its frame on the robot was known
    NO_CALIBRATION = 'no_calibration'  # came before the camera and its height were known, or does not fit them
    FAILED = 'inference_failed'
    IMU_INVALID = 'imu_not_finite'
    IMU_IMPLAUSIBLE = 'imu_implausible'  # beyond what any robot does: wrong units, or a broken sensor
    IMU_DUPLICATE = 'imu_duplicate'


IMU_REASONS = frozenset({Reason.IMU_INVALID, Reason.IMU_IMPLAUSIBLE, Reason.IMU_DUPLICATE})

OnDrop: TypeAlias = Callable[[Reason, str], None]


@dataclass(frozen=True)
class Counts:
    """The books at one moment."""

    images_received: int = 0
    images_processed: int = 0  # those that gave odometry
    imu_received: int = 0
    dropped: Mapping[Reason, int] = field(default_factory=dict)  # in the order in which each reason first came up

    @property
    def images_dropped(self) -> int:
        """Images that yield no odometry, the first of each stretch included."""
        return sum(count for reason, count in self.dropped.items() if reason not in IMU_REASONS)

    @property
    def imu_dropped(self) -> int:
        """IMU readings that were not used."""
        return sum(count for reason, count in self.dropped.items() if reason in IMU_REASONS)


class Ledger:
    """Counts inputs; any thread may make an entry. Each of `on_drop` is called for every drop, with no lock held.

    Every image received ends as processed or dropped, once.
    """

    def __init__(self, *on_drop: OnDrop) -> None:
        self._on_drop = on_drop
        self._lock = threading.Lock()
        self._images_received = 0
        self._images_processed = 0
        self._imu_received = 0
        self._dropped: Counter[Reason] = Counter()

    @property
    def counts(self) -> Counts:
        """A copy of the books that fits together."""
        with self._lock:
            return Counts(self._images_received, self._images_processed, self._imu_received, dict(self._dropped))

    def image_received(self) -> None:
        """An image has come."""
        with self._lock:
            self._images_received += 1

    def imu_received(self) -> None:
        """An IMU reading has come."""
        with self._lock:
            self._imu_received += 1

    def image_processed(self) -> None:
        """An image gave odometry."""
        with self._lock:
            self._images_processed += 1

    def drop(self, reason: Reason, detail: str, count: int = 1) -> None:
        """So many inputs received before yield no odometry; `detail` says why in words."""
        if count:
            with self._lock:
                self._dropped[reason] += count
        for _ in range(count):
            for listener in self._on_drop:
                listener(reason, detail)
