"""Puts pairing, network and engine together, the same way for the node and for offline runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from atvio_ros.errors import AtvioError
from atvio_ros.geometry import transform
from atvio_ros.motion_noise import MotionNoise
from atvio_ros.odometry.engine import MotionEstimator, OdometryEngine
from atvio_ros.odometry.frame_pairs import FramePairer, PairingLimits
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.odometry.ledger import Ledger, Reason
from atvio_ros.odometry.readiness import road_remark
from atvio_ros.odometry.sight import ImageIntake, ScaledImages, Sight
from atvio_ros.odometry.standstill import StandstillGate
from atvio_ros.odometry.travel import TravelTracker
from atvio_ros.rig.rig import Rig
from atvio_ros.types import NANOSECONDS, CameraFrame, FramePair, ImuSample, OdometryEstimate
from atvio_ros.view.virtual_camera import VirtualCamera


class Estimator(Protocol):
    """An estimator before it is put on a robot: the network of a model file, or the road."""

    @property
    def kind(self) -> str:
        """Its name in estimators.py."""

    @property
    def name(self) -> str:
        """What made the odometry, for people."""

    @property
    def trained(self) -> bool:
        """False: random weights, whose odometry means nothing."""

    @property
    def noise(self) -> MotionNoise:
        """How far its motions may be off."""

    @property
    def view(self) -> VirtualCamera | None:
        """The widest view it draws of calibrated images; None: it takes whole images, scaled to `image_size_px`."""

    @property
    def image_size_px(self) -> tuple[int, int]:
        """Height and width of scaled images."""

    @property
    def undoes_lags(self) -> bool:
        """Whether it takes IMU readings without the lag of their filters and without bias."""

    @property
    def device(self) -> object:
        """Where it runs, for people."""

    def warm_up(self) -> None:
        """Run once on nothing, where the first real pair would pay for it otherwise."""

    def remark(self, rig: Rig) -> str | None:
        """Words where the robot is far from those it was made for."""

    def on_robot(self, rig: Rig, sight: Sight | None) -> MotionEstimator:
        """Itself on one robot, with a memory of its own."""


@dataclass(frozen=True)
class Odometry:
    """One estimator on one robot, put together: images go through `intake`, readings and frames to `pairer`, pairs to
    `engine`. `remarks` are why its motions are not to be trusted on this robot, as long as that is what it is.
    """

    intake: ImageIntake
    pairer: FramePairer
    engine: OdometryEngine
    remarks: tuple[str, ...] = ()


def assemble(
    estimator: Estimator,
    rig: Rig,
    *,
    standstill: bool = True,
    limits: PairingLimits | None = None,
    ledger: Ledger | None = None,
    on_warning: Callable[[str], None] = lambda text: None,
) -> Odometry:
    """The odometry of an estimator on a robot, its covariance the model's own; the same for node and offline runs.

    `standstill` holds the pose at rest; without it every motion is the estimator's, as in the paper. Raises
    CalibrationError where the estimator needs to know more of the robot than the rig tells.
    """
    sight = Sight(rig, estimator.view) if estimator.view else None
    intake = sight or ScaledImages(*estimator.image_size_px)
    T_base_image = rig.T_base_camera @ transform(sight.R_camera_stored, np.zeros(3)) if sight else rig.T_base_camera
    engine = OdometryEngine(
        estimator.on_robot(rig, sight),
        T_base_image,
        estimator.noise,
        StandstillGate() if standstill else None,
        TravelTracker(sight) if sight else None,
    )
    found = (estimator.remark(rig), None if sight is None else road_remark(rig))
    remarks = tuple(remark for remark in found if remark is not None)
    engine.doubt_robot(bool(remarks))
    for remark in remarks:
        on_warning(remark)
    pairer = FramePairer(make_imu_buffer(rig, estimator.undoes_lags), limits, ledger, on_warning)
    return Odometry(intake, pairer, engine, remarks)


def make_imu_buffer(rig: Rig, undo_lags: bool) -> ImuBuffer:
    """The IMU buffer of a robot; without `undo_lags` its readings stay as late as they are."""
    return ImuBuffer(
        R_base_imu=rig.R_base_imu,
        time_offset_ns=round(rig.imu_time_offset * NANOSECONDS),
        gyro_lag_ns=round(rig.gyro_lag * NANOSECONDS) if undo_lags else 0,
        accelerometer_lag_ns=round(rig.accelerometer_lag * NANOSECONDS) if undo_lags else 0,
        gyro_bias=rig.gyro_bias if undo_lags else None,
    )


def run_offline(
    events: Iterable[ImuSample | CameraFrame], pairer: FramePairer, engine: OdometryEngine
) -> Iterator[tuple[FramePair, OdometryEstimate]]:
    """Odometry of recorded streams, in one thread: each pair that the pairer releases, with its estimate.

    A pair on which the engine fails is entered as FAILED in the pairer's ledger and left out, as the node does.
    """
    for pair in _released(events, pairer):
        try:
            estimate = engine.process(pair)
        except AtvioError as error:
            pairer.ledger.drop(Reason.FAILED, f'The network failed on a frame pair: {error}')
        else:
            pairer.ledger.image_processed()
            yield pair, estimate


def _released(events: Iterable[ImuSample | CameraFrame], pairer: FramePairer) -> Iterator[FramePair]:
    for event in events:
        if isinstance(event, ImuSample):
            pairer.add_imu(event)
        else:
            pairer.add_frame(event)
        while (pair := pairer.poll()) is not None:
            yield pair
    yield from pairer.finish()
