"""The odometry of one robot, put together when the robot is known; until then images are counted, readings kept."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from atvio_ros.cdr import CdrCompressedImage
from atvio_ros.errors import AtvioError, CalibrationError
from atvio_ros.message_decoding import compressed_image_pixels, header_stamp_ns, image_pixels
from atvio_ros.odometry.input_checks import SizeCheck
from atvio_ros.odometry.ledger import Ledger, Reason
from atvio_ros.odometry.pipeline import Estimator, Odometry, assemble
from atvio_ros.rig.combine import Combination
from atvio_ros.rig.rig import Rig
from atvio_ros.ros.camera_watch import CameraWatch
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.ros.rig_source import RigSource
from atvio_ros.types import FramePair, ImageArray, ImuSample

SLOW_DECODING_S = 0.25  # far longer than any usual image takes
KEPT_READINGS = 4000  # before the robot is known: some seconds of the fastest IMUs


class LateOdometry:
    """Takes messages, gives frame pairs. `on_ready(odometry)` is called once, when an image has come and the robot is
    known; `missing` says in words why not yet, or why images cannot be used. Images and readings may come in two
    threads; `lock` is held while anything is changed, and not while an image is decoded. Nothing that is wrong with a
    message leaves it. Raises what RigSource raises.
    """

    def __init__(
        self,
        node: Node,
        parameters: NodeParameters,
        estimator: Estimator,
        ledger: Ledger,
        on_ready: Callable[[Odometry], None],
        on_warning: Callable[[str], None],
    ) -> None:
        self.lock = threading.RLock()
        self._parameters = parameters
        self._estimator = estimator
        self._ledger = ledger
        self._on_ready = on_ready
        self._on_warning = on_warning
        self._logger = node.get_logger()
        self._size = SizeCheck()
        self._source = RigSource(node, parameters, estimator.view is not None, lock=self.lock)
        self._odometry: Odometry | None = None
        self._camera: CameraWatch | None = None  # from when the robot is known
        self._combination: Combination | None = None
        self._reported: set[str] = set()
        self._compared = False  # with what came after it was put together
        self._readings: deque[ImuSample] = deque(maxlen=KEPT_READINGS)
        self._refusal = ''  # why the newest image did not fit the robot

    @property
    def missing(self) -> str:
        """Why there is no odometry, as far as the robot is concerned; '' where there can be."""
        with self.lock:
            if self._refusal:
                return self._refusal
            missing = None if self._odometry else self._source.missing()
            return missing.text if missing else ''

    @property
    def rig(self) -> Rig | None:
        """The robot, once it is known."""
        return self._combination.rig if self._combination else None

    @property
    def in_grace(self) -> bool:
        """Whether what describes the robot may still be on its way: then nothing is wrong if it is missing."""
        return self._odometry is None and self._source.in_grace

    @property
    def parent_of_base(self) -> str:
        """See RigSource."""
        return self._source.parent_of_base

    @property
    def waiting(self) -> int:
        """Number of images that wait for the IMU."""
        return self._odometry.pairer.waiting if self._odometry else 0

    def values(self) -> dict[str, str]:
        """What /diagnostics tells of the robot."""
        with self.lock:
            values = self._source.found(self._combination) if self._combination else {}
        if self._camera:
            values['rig: changes of camera_info'] = str(self._camera.changes)
        return values

    @property
    def camera_changed(self) -> str:
        """Words while camera_info is not that of the start; else ''."""
        return self._camera.words if self._camera else ''

    def add_image(self, message: Any, received_ns: int) -> None:
        """Take an Image or CompressedImage; one that cannot be used is counted."""
        self._source.see('camera', message.header.frame_id)
        try:
            pixels = self._decoded(message)
            if (text := self._size.update(*pixels.shape[:2])) is not None:
                self._on_warning(text)
            if (odometry := self._odometry_for(pixels)) is None:
                return
            frame = odometry.intake.frame(header_stamp_ns(message), pixels, received_ns)
        except CalibrationError as error:
            self._refusal = str(error)
            self._drop_image(Reason.NO_CALIBRATION, self._refusal)
        except AtvioError as error:
            self._drop_image(Reason.IMAGE_INVALID, str(error))
        else:
            self._refusal = ''
            with self.lock:
                odometry.pairer.add_frame(frame)

    def add_imu(self, sample: ImuSample) -> None:
        """Take an IMU reading."""
        with self.lock:
            if self._odometry:
                self._odometry.pairer.add_imu(sample)
                return
            self._source.see('IMU', sample.frame_id)
            self._ledger.imu_received()
            self._readings.append(sample)

    def refuse_image(self, detail: str) -> None:
        """Count a message that is no image."""
        self._drop_image(Reason.IMAGE_INVALID, detail)

    def refuse_imu(self, detail: str) -> None:
        """Count a message that is no reading."""
        self._ledger.imu_received()
        self._ledger.drop(Reason.IMU_INVALID, detail)

    def poll(self) -> FramePair | None:
        """See FramePairer.poll."""
        with self.lock:
            return self._odometry.pairer.poll() if self._odometry else None

    def expire(self, now_ns: int) -> list[FramePair]:
        """See FramePairer.expire."""
        with self.lock:
            return self._odometry.pairer.expire(now_ns) if self._odometry else []

    def clear(self) -> int:
        """Forget all images and the readings kept; how many images waited."""
        with self.lock:
            self._readings.clear()
            return self._odometry.pairer.clear() if self._odometry else 0

    def compare(self) -> None:
        """Call it now and then: when what is latched has come, reports what sources that were not needed say otherwise,
        and stops listening to them.
        """
        with self.lock:
            if self._odometry and not self._compared and not self._source.in_grace:
                self._compared = True
                self._report(self._source.combination())
                self._source.close()

    def close(self) -> None:
        """Stop listening."""
        self._source.close()
        if self._camera:
            self._camera.close()

    def _decoded(self, message: Any) -> ImageArray:
        """The pixels. What takes long holds up everything else that comes in, and is said."""
        started_s = time.monotonic()
        compressed = isinstance(message, CdrCompressedImage | CompressedImage)
        pixels = compressed_image_pixels(message) if compressed else image_pixels(message)
        if (took_s := time.monotonic() - started_s) > SLOW_DECODING_S:
            height, width = pixels.shape[:2]
            self._on_warning(f'decoding an image of {width}x{height} took {took_s:.1f} s: send smaller or simpler ones')
        return pixels

    def _odometry_for(self, pixels: ImageArray) -> Odometry | None:
        """The odometry, put together now if it can be; without it the image is counted."""
        if self._odometry:
            return self._odometry
        with self.lock:
            return self._put_together(pixels)

    def _put_together(self, pixels: ImageArray) -> Odometry | None:
        if (missing := self._source.missing()) is not None:
            self._drop_image(missing.reason, missing.text)
            return None
        combination = self._source.combination()
        rig = combination.rig
        if self._estimator.view is not None:
            height, width = pixels.shape[:2]
            rig = rig.for_images(width, height)
        made = assemble(
            self._estimator,
            rig,
            standstill=self._parameters.standstill_detection,
            limits=self._parameters.limits,
            ledger=self._ledger,
            on_warning=self._on_warning,
        )
        self._report(combination)
        if assumed := self._source.assumed(combination):
            self._logger.warning(assumed)
        for sample in self._readings:
            made.pairer.take_imu(sample)
        self._readings.clear()
        self._combination, self._odometry = combination, made
        self._camera = self._source.watch_camera()
        self._on_ready(made)
        return made

    def _report(self, combination: Combination) -> None:
        for text in combination.reports:
            if text not in self._reported:
                self._reported.add(text)
                if text.startswith('Nobody says'):
                    self._logger.info(f'rig: {text}')
                else:  # on a line of its own: rclpy ties a line to its severity
                    self._logger.warning(f'rig: {text}')

    def _drop_image(self, reason: Reason, detail: str) -> None:
        self._ledger.image_received()
        self._ledger.drop(reason, detail)
