"""Puts pairing, network and engine together, the same way for the node and for offline runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from atvio_ros.errors import AtvioError
from atvio_ros.mounting import Mounting
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.odometry.frame_pairs import FramePairer, PairingLimits
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.odometry.ledger import Ledger, Reason
from atvio_ros.odometry.standstill import StandstillGate
from atvio_ros.types import NANOSECONDS, CameraFrame, FramePair, ImuSample, OdometryEstimate


def make_imu_buffer(estimator: NetworkEstimator, mounting: Mounting) -> ImuBuffer:
    """The IMU buffer for this network on this robot."""
    return ImuBuffer(
        R_base_imu=mounting.R_base_imu,
        time_offset_ns=round(mounting.imu_time_offset_s * NANOSECONDS),
        gyro_lag_ns=round(estimator.config.gyro_lag_s * NANOSECONDS),
    )


def make_pairer(
    estimator: NetworkEstimator,
    mounting: Mounting,
    limits: PairingLimits | None = None,
    ledger: Ledger | None = None,
    on_warning: Callable[[str], None] = lambda text: None,
) -> FramePairer:
    """The pairer that feeds this network on this robot."""
    return FramePairer(make_imu_buffer(estimator, mounting), limits, ledger, on_warning)


def make_engine(estimator: NetworkEstimator, mounting: Mounting, standstill: bool = True) -> OdometryEngine:
    """The engine of this network on this robot, its covariance the model's own; the same for node and offline runs.

    `standstill` holds the pose at rest; without it every motion is the network's, as in the paper.
    """
    gate = StandstillGate() if standstill else None
    return OdometryEngine(estimator, mounting.T_base_camera, estimator.noise, gate)


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
