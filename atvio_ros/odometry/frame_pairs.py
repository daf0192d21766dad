"""Two streams, images and IMU, become frame pairs. Every image ends in a pair or in the ledger under one reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from atvio_ros.errors import ImuError
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.odometry.input_checks import ClippingCheck, GravityCheck, implausible
from atvio_ros.odometry.ledger import Ledger, Reason
from atvio_ros.types import NANOSECONDS, CameraFrame, FloatArray, FramePair, ImuSample, ImuWindow


@dataclass(frozen=True)
class PairingLimits:
    """How much irregularity of the streams is bridged."""

    max_imu_gap_ns: int = 50_000_000  # longest hole in the IMU stream inside a pair
    max_image_gap_ns: int = 500_000_000  # longest time between the two images of a pair
    max_wait_ns: int = NANOSECONDS  # longest time an image waits for the IMU to pass it
    time_jump_ns: int = NANOSECONDS  # stamps that go back by more begin a new time (a bag that loops)
    max_behind_ns: int = 60 * NANOSECONDS  # image time the IMU may be behind by; bounds memory where no clock expires


class FramePairer:
    """Feed it with add_imu and add_frame, take pairs with poll; one thread owns it.

    A pair is released when the IMU has passed its second image (by the gyro lag too, if the buffer undoes one), so it
    depends on the stamps alone and not on the order in which the two streams arrive. What comes and what is not used
    is entered into `ledger`; `on_warning` is told of IMU readings that are used but look wrong.
    """

    def __init__(
        self,
        imu: ImuBuffer | None = None,
        limits: PairingLimits | None = None,
        ledger: Ledger | None = None,
        on_warning: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.imu = ImuBuffer() if imu is None else imu  # an empty buffer is false
        self.limits = limits or PairingLimits()
        self.ledger = ledger or Ledger()
        self._on_warning = on_warning
        self._imu_checks = (GravityCheck(self.imu.R_base_imu), ClippingCheck())
        self._waiting: deque[CameraFrame] = deque()
        self._previous: CameraFrame | None = None
        self._continues = False

    @property
    def waiting(self) -> int:
        """Number of images that wait for the IMU."""
        return len(self._waiting)

    def add_imu(self, sample: ImuSample) -> None:
        """Take one IMU reading, in any order. Unusable ones are counted."""
        self.ledger.imu_received()
        self.take_imu(sample)

    def take_imu(self, sample: ImuSample) -> None:
        """As add_imu, for a reading whose receipt is in the books already."""
        for check in self._imu_checks:
            if (text := check.update(sample)) is not None:
                self._on_warning(text)
        if (why := implausible(sample)) is not None:
            self.ledger.drop(Reason.IMU_IMPLAUSIBLE, why)
            return
        stamp_ns = self.imu.corrected_ns(sample)
        latest_ns = self.imu.latest_ns
        if latest_ns is not None and stamp_ns < latest_ns - self.limits.time_jump_ns:
            self.imu.clear()
            if self._newest_image_ns() > stamp_ns + self.limits.time_jump_ns:
                back = f'IMU time went back by {(latest_ns - stamp_ns) / 1e9:.1f} s'
                self.ledger.drop(Reason.TIME_JUMP, back, self.clear())
        try:
            if not self.imu.add(sample):
                self.ledger.drop(Reason.IMU_DUPLICATE, f'A reading with stamp {sample.stamp_ns} ns is already there.')
        except ImuError as error:
            self.ledger.drop(Reason.IMU_INVALID, str(error))

    def add_frame(self, frame: CameraFrame) -> None:
        """Take one image, in the order of the stamps; one that is not newer is counted and ignored."""
        self.ledger.image_received()
        newest_ns = self._newest_image_ns()
        if frame.stamp_ns < newest_ns - self.limits.time_jump_ns:
            back = f'Image time went back by {(newest_ns - frame.stamp_ns) / 1e9:.1f} s'
            self.ledger.drop(Reason.TIME_JUMP, back, self.clear())
            oldest_ns = self.imu.oldest_ns
            if oldest_ns is not None and oldest_ns > frame.stamp_ns + self.limits.time_jump_ns:
                self.imu.clear()  # it is of the time before; else it went back already, and is ahead of late images
        elif frame.stamp_ns <= newest_ns:
            late_ms = (newest_ns - frame.stamp_ns) / 1e6
            self.ledger.drop(Reason.IMAGE_STAMP, f'An image came {late_ms:.1f} ms behind the newest one.')
            return
        self._waiting.append(frame)
        while self._waiting[0].stamp_ns < frame.stamp_ns - self.limits.max_behind_ns:
            self._waiting.popleft()
            limit_s = self.limits.max_behind_ns / NANOSECONDS
            self.ledger.drop(Reason.NO_IMU, f'The IMU is more than {limit_s:.0f} s behind the images.')

    def poll(self) -> FramePair | None:
        """The next pair whose IMU window is complete; None: wait for more data."""
        while self._waiting:
            frame = self._waiting[0]
            if self._previous is not None and not self.imu.covers(frame.stamp_ns):
                return None
            self._waiting.popleft()
            pair = self._pair_with(frame)
            if pair is not None:
                return pair
        return None

    def expire(self, now_ns: int) -> list[FramePair]:
        """Stop waiting for the IMU on behalf of images that arrived more than max_wait before now_ns.

        Those that the IMU reaches but for max_imu_gap are paired all the same, the rest are dropped as NO_IMU.
        """
        pairs = []
        while self._waiting and now_ns - self._waiting[0].received_ns > self.limits.max_wait_ns:
            frame = self._waiting.popleft()
            latest_ns = self.imu.latest_ns
            if latest_ns is None or latest_ns < frame.stamp_ns - self.limits.max_imu_gap_ns:
                behind = 'there is none' if latest_ns is None else f'{(frame.stamp_ns - latest_ns) / 1e9:.2f} s behind'
                self.ledger.drop(Reason.NO_IMU, f'The IMU did not pass the image within the limit ({behind}).')
            elif (pair := self._pair_with(frame)) is not None:
                pairs.append(pair)
        return pairs

    def finish(self) -> list[FramePair]:
        """The streams have ended: what expire does, for all images that still wait."""
        forever_ns = max((frame.received_ns for frame in self._waiting), default=0) + self.limits.max_wait_ns + 1
        return self.expire(forever_ns)

    def clear(self) -> int:
        """Forget all images, so that the next one starts a new stretch; returns how many waited, not in the books."""
        waiting = len(self._waiting)
        self._waiting.clear()
        self._previous = None
        self._continues = False
        return waiting

    def _pair_with(self, frame: CameraFrame) -> FramePair | None:
        previous, self._previous = self._previous, frame
        continues, self._continues = self._continues, True
        if previous is None:
            self._start(Reason.FIRST_IMAGE, 'Odometry starts with the next image.')
            return None
        gap_ns = frame.stamp_ns - previous.stamp_ns
        if gap_ns > self.limits.max_image_gap_ns:
            self._start(Reason.IMAGE_GAP, f'{gap_ns / 1e9:.2f} s without a usable image. Raise max_image_gap?')
            return None
        hole_ns = self.imu.widest_hole_ns(previous.stamp_ns, frame.stamp_ns)
        if hole_ns > self.limits.max_imu_gap_ns:
            self._start(
                Reason.IMU_GAP,
                f'{hole_ns / 1e6:.0f} ms without IMU data between two images '
                f'(limit {self.limits.max_imu_gap_ns / 1e6:.0f} ms). '
                'Check `ros2 topic hz` on the IMU topic, or raise max_imu_gap.',
            )
            return None
        window = self.imu.window(previous.stamp_ns, frame.stamp_ns)
        self.imu.forget_before(previous.stamp_ns)
        return FramePair(previous, frame, window, continues)

    def _start(self, reason: Reason, detail: str) -> None:
        self._continues = False
        self.ledger.drop(reason, detail)

    def _newest_image_ns(self) -> int:
        newest = self._waiting[-1] if self._waiting else self._previous
        return newest.stamp_ns if newest else -(1 << 62)


def skip_shared_frame(first: FramePair, second: FramePair) -> FramePair:
    """The pair from first.previous to second.current, for when the frame they share cannot be processed in time."""
    stamps_ns = np.concatenate((first.imu.stamps_ns, second.imu.stamps_ns))
    values: FloatArray = np.concatenate((first.imu.values, second.imu.values))
    stamps_ns, unique = np.unique(stamps_ns, return_index=True)  # the windows overlap at the shared image
    return FramePair(first.previous, second.current, ImuWindow(stamps_ns, values[unique]), first.continues)
