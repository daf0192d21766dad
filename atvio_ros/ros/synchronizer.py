"""Frame pairs as a message filter: images and IMU go in through two filters, pairs come out to whoever registered."""

from __future__ import annotations

import time
from typing import Any

from message_filters import SimpleFilter

from atvio_ros.ros.late_odometry import LateOdometry
from atvio_ros.types import ImuSample


class FramePairSynchronizer(SimpleFilter):  # type: ignore[misc]
    """Signals one FramePair for every image that the IMU has passed.

    message_filters' own synchronisers pair one image with one IMU message; this odometry takes all the readings between
    two images. Nothing that is wrong with a message leaves the callbacks: message_filters calls them under a lock that
    an exception would never give back. Images and readings may come in two threads.
    """

    def __init__(self, images: SimpleFilter, imu: SimpleFilter, odometry: LateOdometry) -> None:
        super().__init__()
        self._odometry = odometry
        images.registerCallback(self._on_image)
        imu.registerCallback(self._on_imu)

    def release_expired(self) -> None:
        """Give up waiting for the IMU where that took too long; call it regularly."""
        with self._odometry.lock:
            for pair in self._odometry.expire(time.monotonic_ns()):
                self.signalMessage(pair)

    def _on_image(self, message: Any) -> None:
        self._odometry.add_image(message, time.monotonic_ns())
        self._release()

    def _on_imu(self, sample: ImuSample) -> None:
        self._odometry.add_imu(sample)
        self._release()

    def _release(self) -> None:
        with self._odometry.lock:  # until they are handed on: pairs go out in their order
            while (pair := self._odometry.poll()) is not None:
                self.signalMessage(pair)
