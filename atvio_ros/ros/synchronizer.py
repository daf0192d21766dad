"""Frame pairs as a message filter: images and IMU go in through two filters, pairs come out to whoever registered."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from message_filters import SimpleFilter

from atvio_ros.errors import ImageError
from atvio_ros.message_decoding import imu_sample
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.odometry.ledger import Reason
from atvio_ros.ros.static_transforms import ExtrinsicsFromTf
from atvio_ros.types import CameraFrame


class FramePairSynchronizer(SimpleFilter):  # type: ignore[misc]
    """Signals one FramePair for every image that the IMU has passed.

    message_filters' own synchronisers pair one image with one IMU message; this network takes all the readings between
    two images. `decode(message, received_ns)` gives the CameraFrame or raises ImageError. While `extrinsics` are not
    known, images are counted and go no further. Nothing that is wrong with a message leaves the callbacks:
    message_filters calls them under a lock that an exception would never give back.
    """

    def __init__(
        self,
        images: SimpleFilter,
        imu: SimpleFilter,
        pairer: FramePairer,
        decode: Callable[[Any, int], CameraFrame],
        extrinsics: ExtrinsicsFromTf | None = None,
    ) -> None:
        super().__init__()
        self.pairer = pairer
        self._decode = decode
        self._extrinsics = extrinsics
        images.registerCallback(self._on_image)
        imu.registerCallback(self._on_imu)

    def release_expired(self) -> None:
        """Give up waiting for the IMU where that took too long; call it regularly."""
        for pair in self.pairer.expire(time.monotonic_ns()):
            self.signalMessage(pair)

    def _on_image(self, message: Any) -> None:
        if self._extrinsics and not self._extrinsics.known_with('camera', message.header.frame_id):
            self._drop_image(Reason.NO_TRANSFORM, self._extrinsics.missing)
            return
        try:
            frame = self._decode(message, time.monotonic_ns())
        except ImageError as error:
            self._drop_image(Reason.IMAGE_INVALID, str(error))
            return
        self.pairer.add_frame(frame)
        self._release()

    def _on_imu(self, message: Any) -> None:
        if self._extrinsics and not self._extrinsics.known_with('IMU', message.header.frame_id):
            self.pairer.ledger.imu_received()
            return
        self.pairer.add_imu(imu_sample(message))
        self._release()

    def _drop_image(self, reason: Reason, detail: str) -> None:
        self.pairer.ledger.image_received()
        self.pairer.ledger.drop(reason, detail)

    def _release(self) -> None:
        while (pair := self.pairer.poll()) is not None:
            self.signalMessage(pair)
