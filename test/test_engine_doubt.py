"""The covariance is larger while something says that motions cannot be trusted, and as before when nothing does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from samples.motions import LOOKING_FORWARD
from samples.streams import Scripted, stretch

from atvio_ros.geometry import translation
from atvio_ros.odometry.doubt import ALONG, LOST_RAD
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.travel import LOST
from atvio_ros.types import FramePair, ImuWindow, OdometryEstimate, PairGeometry

STEP_M = 1.0
SURE = PairGeometry(np.eye(3), np.eye(3), np.radians(0.1), True, False, np.zeros(3))
LEARNING = replace(SURE, confident=False, pitch_sigma=np.radians(2.0))
NOT_SEEN = replace(SURE, confident=False, lost=True, pitch_sigma=np.radians(1.0))


class Tracker:
    """Stands in for the tracker of the direction of travel: the same is seen in every pair."""

    def __init__(self, *geometries: PairGeometry) -> None:
        self.geometries = list(geometries)

    def update(self, pair: FramePair) -> PairGeometry:
        return self.geometries.pop(0) if len(self.geometries) > 1 else self.geometries[0]

    def reset(self) -> None:
        """Nothing is remembered."""


def upright(pairs: list[FramePair], up=(0.0, 0.0, 9.81)) -> list[FramePair]:
    """The same images, with the IMU of a robot that goes straight on; `up` is what the accelerometer feels."""
    values = [0.0, 0.0, 0.0, *up]
    return [
        replace(each, imu=ImuWindow(each.imu.stamps_ns, np.tile(values, (len(each.imu.stamps_ns), 1))))
        for each in pairs
    ]


def drive(tracker: Tracker | None, frames: int = 31, up=(0.0, 0.0, 9.81), of_robot: bool = False):
    """Odometry straight ahead, STEP_M per pair."""
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, STEP_M)), LOOKING_FORWARD, travel=tracker)
    engine.doubt_robot(of_robot)
    return [engine.process(each) for each in upright(stretch(frames), up)]


def motion_sigma(estimate: OdometryEstimate) -> np.ndarray:
    """Of the way over a pair of 0.1 s [m]: forward, left, up."""
    return 0.1 * np.sqrt(np.diag(estimate.twist_covariance)[:3])


def added(doubted: OdometryEstimate, plain: OdometryEstimate) -> np.ndarray:
    """Sigmas [m] beyond the error model's own: forward, left, up."""
    return np.sqrt(np.maximum(motion_sigma(doubted) ** 2 - motion_sigma(plain) ** 2, 0.0))


def test_a_direction_that_is_known_adds_nothing():
    for plain, sure in zip(drive(None), drive(Tracker(SURE)), strict=True):
        np.testing.assert_array_equal(sure.pose_covariance, plain.pose_covariance)
        np.testing.assert_array_equal(sure.twist_covariance, plain.twist_covariance)


def test_a_direction_that_is_being_learned_adds_what_it_may_be_off_without_a_warning():
    plain, learning = drive(None)[-1], drive(Tracker(LEARNING))[-1]
    across = np.sin(np.radians(6.0)) * STEP_M
    np.testing.assert_allclose(added(learning, plain), [ALONG * STEP_M, across, across], rtol=1e-6)
    assert learning.warnings == ()
    np.testing.assert_array_equal(learning.T_odom_base, plain.T_odom_base)
    assert (drive(Tracker(LEARNING, SURE))[-1].twist_covariance == plain.twist_covariance).all()


@pytest.mark.parametrize(
    'options',
    [
        {'tracker': Tracker(NOT_SEEN)},
        {'tracker': Tracker(SURE), 'of_robot': True},
        {'tracker': None, 'of_robot': True},
    ],
    ids=['direction lost', 'far from training, with a view', 'whole images'],
)
def test_what_is_wrong_for_longer_adds_up_in_proportion_to_the_way(options):
    plain, doubted = drive(None), drive(**options)
    across = np.sin(LOST_RAD) * STEP_M
    np.testing.assert_allclose(added(doubted[-1], plain[-1]), [ALONG * STEP_M, across, across], rtol=1e-6)
    more = doubted[-1].pose_covariance - plain[-1].pose_covariance
    np.testing.assert_allclose(np.sqrt(more[0, 0]), ALONG * 30 * STEP_M, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(more[1, 1]), np.sin(LOST_RAD) * 30 * STEP_M, rtol=1e-6)
    assert np.linalg.eigvalsh(doubted[-1].pose_covariance).min() > 0.0


def test_a_direction_that_is_lost_warns_until_it_is_found_again():
    *before, last = drive(Tracker(*[NOT_SEEN] * 10, SURE))
    assert [estimate.warnings for estimate in before[:10]] == [(LOST,)] * 10
    assert last.warnings == ()
    np.testing.assert_array_equal(last.twist_covariance, drive(None)[-1].twist_covariance)


def test_gravity_upside_down_adds_from_when_it_is_known():
    plain, reversed_ = drive(None, 61), drive(None, 61, up=(0.0, 0.0, -9.81))
    assert added(reversed_[20], plain[20])[0] == 0.0  # it takes seconds to tell a slope from a wrong mounting
    assert added(reversed_[-1], plain[-1])[1] == pytest.approx(np.sin(LOST_RAD) * STEP_M, rel=1e-6)
    assert reversed_[-1].pose_covariance[0, 0] > plain[-1].pose_covariance[0, 0]


def test_a_reset_forgets_how_long_it_was_wrong_and_not_that_the_robot_is():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, STEP_M)), LOOKING_FORWARD)
    engine.doubt_robot()
    pairs = upright(stretch(11))
    first = [engine.process(each).pose_covariance for each in pairs]
    engine.reset()
    again = [engine.process(each).pose_covariance for each in pairs]
    np.testing.assert_array_equal(again, first)
