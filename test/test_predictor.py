"""Odometry between images, on motions that are known exactly."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from atvio_ros.geometry import inverse, logarithm, rotation_angle, transform
from atvio_ros.odometry.predictor import OdometryPredictor, Prediction, PredictionSettings
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FloatArray, ImuSample, OdometryEstimate, PairGeometry, RelativeMotion

START_NS = 1_700_000_000_000_000_000
FRAME_NS = 100_000_000
GRAVITY = np.array([0.0, 0.0, 9.81])
JUMPS = PredictionSettings(smoothing_s=0.0, rate=1000.0)
BRAKE = 3.0  # m/s^2, largest


def speed(t: float) -> float:
    return 10.0 + BRAKE * np.sin(t)


def yaw_rate(t: float) -> float:
    return 0.4 * np.sin(0.8 * t)


class Drive:
    """A car that brakes, goes on, and swings; poses by steps of 0.25 ms."""

    STEP_S = 2.5e-4

    def __init__(self, seconds: float = 12.0, moves: bool = True) -> None:
        t = np.arange(0.0, seconds + 1.0, self.STEP_S)
        self.speed, self.yaw_rate = speed(t) * moves, yaw_rate(t) * moves
        self.yaw = np.concatenate(([0.0], np.cumsum(0.5 * (self.yaw_rate[1:] + self.yaw_rate[:-1]) * self.STEP_S)))
        velocity = self.speed[:, None] * np.stack((np.cos(self.yaw), np.sin(self.yaw)), axis=1)
        way = np.cumsum(0.5 * (velocity[1:] + velocity[:-1]) * self.STEP_S, axis=0)
        self.position = np.concatenate((np.zeros((1, 2)), way))
        self.acceleration = np.gradient(self.speed, self.STEP_S)

    def pose(self, at_ns: int) -> FloatArray:
        k = round((at_ns - START_NS) * 1e-9 / self.STEP_S)
        R = Rotation.from_euler('z', self.yaw[k]).as_matrix()
        return transform(R, np.array([*self.position[k], 0.0]))

    def reading(self, stamp_ns: int, lag_ns: tuple[int, int] = (0, 0)) -> ImuSample:
        """What an IMU at the base feels; gyro and accelerometer this much earlier than stamped."""
        gyro, force = (max(0, round((stamp_ns - START_NS - lag) * 1e-9 / self.STEP_S)) for lag in lag_ns)
        forward, left = self.acceleration[force], self.speed[force] * self.yaw_rate[force]
        felt = np.array([forward, left, 0.0]) + GRAVITY
        return ImuSample(stamp_ns, np.array([0.0, 0.0, self.yaw_rate[gyro]]), felt)

    def estimate(self, at_ns: int, **changes) -> OdometryEstimate:
        """What an engine without errors says of the image there."""
        T = inverse(self.pose(at_ns - FRAME_NS)) @ self.pose(at_ns)
        twist = logarithm(T) / (FRAME_NS * 1e-9)
        made = OdometryEstimate(
            at_ns, self.pose(at_ns), twist[:3], twist[3:], 1e-4 * np.eye(6), 1e-4 * np.eye(6), RelativeMotion(T)
        )
        return dataclasses.replace(made, **changes)


def predictions(
    drive: Drive,
    rig: Rig | None = None,
    settings: PredictionSettings = JUMPS,
    *,
    imu_ns: int = 10_000_000,
    late_ns: int = 60_000_000,
    seconds: float = 10.0,
    lag_ns: tuple[int, int] = (0, 0),
    estimate=None,
) -> list[tuple[int, Prediction]]:
    """(stamp of the newest estimate known, prediction) of a drive whose estimates come `late_ns` after their images."""
    predictor = OdometryPredictor(rig or Rig(), settings)
    found, known_ns, image_ns = [], 0, START_NS + FRAME_NS
    for stamp_ns in range(START_NS, START_NS + round(seconds * 1e9), imu_ns):
        if stamp_ns >= image_ns + late_ns:
            predictor.update((estimate or drive.estimate)(image_ns))
            known_ns, image_ns = image_ns, image_ns + FRAME_NS
        predicted = predictor.add(drive.reading(stamp_ns, lag_ns))
        if predicted is not None:
            found.append((known_ns, predicted))
    return found


def errors(drive: Drive, found: list[tuple[int, Prediction]], age_ms: int, after_s: float = 3.0) -> FloatArray:
    """(N, 2) of the predictions so old: position [m], attitude [rad]."""
    chosen = [
        predicted for known_ns, predicted in found
        if abs(predicted.stamp_ns - known_ns - age_ms * 1_000_000) < 3e6
        and predicted.stamp_ns > START_NS + after_s * 1e9
    ]  # fmt: skip
    assert len(chosen) > 20
    apart = [inverse(drive.pose(predicted.stamp_ns)) @ predicted.T_odom_base for predicted in chosen]
    return np.array([[np.linalg.norm(T[:3, 3]), float(rotation_angle(T[:3, :3]))] for T in apart])


@pytest.fixture(scope='module')
def drive() -> Drive:
    return Drive()


@pytest.mark.parametrize(
    ('age_ms', 'late_ns', 'limit_m'), [(10, 0, 5e-4), (50, 50_000_000, 2e-3), (100, 100_000_000, 4e-3)]
)
@pytest.mark.parametrize('imu_ns', [10_000_000, 2_500_000])
def test_the_error_after_10_50_and_100_ms(drive, age_ms, late_ns, limit_m, imu_ns):
    """A constant velocity would be off by 18 mm after 100 ms of braking, half of it since the middle of the pair."""
    found = predictions(drive, late_ns=late_ns, imu_ns=imu_ns)
    position, attitude = errors(drive, found, age_ms).max(axis=0)
    assert position < limit_m
    assert attitude < 2e-4


def test_without_readings_to_learn_from_the_velocity_is_kept_and_turns_with_the_robot(drive):
    found = predictions(drive, late_ns=100_000_000, seconds=1.0)
    chosen = [predicted for known_ns, predicted in found if known_ns]
    worst = max(np.linalg.norm((inverse(drive.pose(each.stamp_ns)) @ each.T_odom_base)[:3, 3]) for each in chosen)
    assert worst < BRAKE * (0.05 * 0.2 + 0.5 * 0.2**2)


def test_lags_of_the_rig_are_undone(drive):
    lag_ns = (66_000_000, 15_000_000)
    rig = Rig(gyro_lag=0.066, accelerometer_lag=0.015)
    undone = errors(drive, predictions(drive, rig, lag_ns=lag_ns, late_ns=100_000_000), 100).max(axis=0)
    left = errors(drive, predictions(drive, lag_ns=lag_ns, late_ns=100_000_000), 100).max(axis=0)
    assert undone[1] < 1e-3  # the newest 66 ms of rotation are not known: the rate is held
    assert undone[1] < 0.5 * left[1]


def test_mounting_offset_and_bias_of_the_rig_are_undone(drive):
    R_base_imu = Rotation.from_euler('xyz', (0.1, -0.4, 2.0)).as_matrix()
    bias, offset_ns = np.array([0.01, -0.02, 0.03]), 30_000_000
    rig = Rig(T_base_imu=transform(R_base_imu, np.zeros(3)), gyro_bias=bias, imu_time_offset=offset_ns * 1e-9)
    plain, other = OdometryPredictor(Rig(), JUMPS), OdometryPredictor(rig, JUMPS)
    for k in range(300):
        if k % 10 == 0 and k:
            for predictor in (plain, other):
                predictor.update(drive.estimate(START_NS + k * 10_000_000))
        reading = drive.reading(START_NS + k * 10_000_000)
        turned = ImuSample(
            reading.stamp_ns - offset_ns, R_base_imu.T @ reading.angular_velocity + bias,
            R_base_imu.T @ reading.linear_acceleration,
        )  # fmt: skip
        one, two = plain.add(reading), other.add(turned)
        assert (one is None) == (two is None)
        if one and two:
            assert two.stamp_ns == one.stamp_ns
            np.testing.assert_allclose(two.position, one.position, atol=1e-9)
            np.testing.assert_allclose(two.orientation, one.orientation, atol=1e-9)


def test_the_bias_that_images_show_is_taken_off(drive):
    correction = np.array([0.0, 0.0, -0.05])
    geometry = PairGeometry(np.eye(3), np.eye(3), 0.01, True, False, correction)
    biased = Drive()
    biased.reading = lambda stamp_ns, lag_ns=(0, 0): dataclasses.replace(  # type: ignore[method-assign]
        drive.reading(stamp_ns), angular_velocity=drive.reading(stamp_ns).angular_velocity - correction
    )
    found = predictions(biased, estimate=lambda at_ns: drive.estimate(at_ns, geometry=geometry), late_ns=100_000_000)
    assert errors(drive, found, 100)[:, 1].max() < 2e-4


def test_covariance_grows_between_images_and_is_positive(drive):
    found = predictions(drive, late_ns=0, imu_ns=2_500_000)
    for (known_ns, before), (same_ns, after) in itertools.pairwise(found):
        P = after.pose_covariance.reshape(6, 6)
        assert np.linalg.eigvalsh(P).min() > 0.0
        if known_ns == same_ns:
            assert (np.diag(P) >= np.diag(before.pose_covariance.reshape(6, 6))).all()
            assert np.trace(P) > np.trace(before.pose_covariance.reshape(6, 6))


def test_an_image_corrects_by_no_more_than_the_covariance_tells(drive):
    rng = np.random.default_rng(0)
    sigma = 0.1  # m/s of the estimate's velocity

    def noisy(at_ns: int) -> OdometryEstimate:
        made = drive.estimate(at_ns, twist_covariance=np.diag([sigma**2] * 3 + [1e-6] * 3))
        return dataclasses.replace(made, linear_velocity=made.linear_velocity + rng.normal(0.0, sigma, 3))

    found = predictions(drive, late_ns=50_000_000, estimate=noisy)
    inside = []
    for (known_ns, before), (next_ns, after) in itertools.pairwise(found):
        if known_ns != next_ns and known_ns:
            step = np.array(after.position) - before.position - 0.01 * 0.5 * np.array(
                Rotation.from_quat(after.orientation).apply(after.linear_velocity)
                + Rotation.from_quat(before.orientation).apply(before.linear_velocity)
            )  # fmt: skip
            inside.append((np.abs(step) < 3.0 * np.sqrt(np.diag(before.pose_covariance.reshape(6, 6))[:3])).all())
    assert len(inside) > 50
    assert np.mean(inside) > 0.97


def test_smoothed_corrections_are_spread_and_counted_in_the_covariance():
    """A new pose 0.2 m to the left comes out in steps, all of it within half a second."""
    drive = Drive(moves=False)
    moved = transform(np.eye(3), np.array([0.0, 0.2, 0.0]))

    def estimate(at_ns: int) -> OdometryEstimate:
        made = drive.estimate(at_ns)
        return dataclasses.replace(made, T_odom_base=moved) if at_ns >= START_NS + 10 * FRAME_NS else made

    smooth, jumping = (
        predictions(drive, settings=PredictionSettings(smoothing_s), estimate=estimate, seconds=2.0)
        for smoothing_s in (0.1, 0.0)
    )
    steps = {name: np.diff([p.position[1] for _, p in found]) for name, found in (('s', smooth), ('j', jumping))}
    assert steps['j'].max() == pytest.approx(0.2, abs=1e-6)
    assert steps['s'].max() < 0.03
    assert smooth[-1][1].position[1] == pytest.approx(0.2, abs=2e-3)
    for (_, one), (_, other) in zip(smooth, jumping, strict=True):
        apart = one.position[1] - other.position[1]
        added = (one.pose_covariance - other.pose_covariance).reshape(6, 6)
        assert added[1, 1] == pytest.approx(apart**2, abs=1e-9)


def test_what_is_too_far_is_not_spread():
    drive, far = Drive(moves=False), transform(np.eye(3), np.array([5.0, 0.0, 0.0]))

    def estimate(at_ns: int) -> OdometryEstimate:
        made = drive.estimate(at_ns)
        return dataclasses.replace(made, T_odom_base=far) if at_ns >= START_NS + 10 * FRAME_NS else made

    found = predictions(drive, settings=PredictionSettings(0.1), estimate=estimate, seconds=2.0)
    assert np.diff([p.position[0] for _, p in found]).max() == pytest.approx(5.0)


def test_a_robot_at_rest_stays_where_it_is_whatever_the_gyro_says(drive):
    still = dataclasses.replace(
        drive.estimate(START_NS + FRAME_NS), stationary=True, linear_velocity=np.zeros(3), angular_velocity=np.zeros(3)
    )
    predictor = OdometryPredictor(Rig(), JUMPS)
    predictor.update(still)
    found = [predictor.add(drive.reading(START_NS + k * 10_000_000)) for k in range(60)]
    poses = {(each.position, each.orientation, each.linear_velocity) for each in found if each}
    assert len(poses) == 1
    assert next(iter(poses))[0] == tuple(still.T_odom_base[:3, 3])


def test_there_is_none_before_an_image_beyond_the_horizon_or_after_a_reset(drive):
    predictor = OdometryPredictor(Rig(), PredictionSettings(horizon_s=0.3))
    assert all(predictor.add(drive.reading(START_NS + k * 10_000_000)) is None for k in range(10))
    predictor.update(drive.estimate(START_NS + FRAME_NS))
    found = [predictor.add(drive.reading(START_NS + k * 10_000_000)) for k in range(10, 60)]
    assert [each is not None for each in found] == [k <= 40 for k in range(10, 60)]
    predictor.update(drive.estimate(START_NS + 6 * FRAME_NS))
    assert predictor.add(drive.reading(START_NS + 600_000_000)) is not None
    predictor.reset()
    assert predictor.add(drive.reading(START_NS + 610_000_000)) is None


@pytest.mark.parametrize('jump_ns', [-5_000_000_000, 5_000_000_000])
def test_time_that_jumps_ends_it_until_the_next_image(drive, jump_ns):
    predictor, later_ns = OdometryPredictor(Rig()), START_NS + 6 * 1_000_000_000
    predictor.update(drive.estimate(later_ns))
    readings = [drive.reading(later_ns + k * 10_000_000) for k in range(-5, 10)]
    assert predictor.add(readings[0]) is None
    assert [predictor.add(each) is not None for each in readings[1:]][-1]
    jumped = [dataclasses.replace(each, stamp_ns=each.stamp_ns + jump_ns) for each in readings]
    assert all(predictor.add(each) is None for each in jumped)
    predictor.update(dataclasses.replace(drive.estimate(later_ns), stamp_ns=later_ns + jump_ns))
    assert predictor.add(dataclasses.replace(readings[-1], stamp_ns=jumped[-1].stamp_ns + 10_000_000)) is not None


def test_readings_that_are_late_repeated_or_not_finite_change_nothing(drive):
    one, other = OdometryPredictor(Rig()), OdometryPredictor(Rig())
    for k in range(100):
        if k % 10 == 1 and k > 10:
            for predictor in (one, other):
                predictor.update(drive.estimate(START_NS + (k - 1) * 10_000_000))
        reading = drive.reading(START_NS + k * 10_000_000)
        first, second = one.add(reading), other.add(reading)
        assert (first is None) == (second is None)
        if first and second:
            assert (first.position, first.orientation) == (second.position, second.orientation)
        bad = dataclasses.replace(reading, stamp_ns=reading.stamp_ns + 1000, angular_velocity=np.full(3, np.nan))
        assert [other.add(each) for each in (reading, drive.reading(reading.stamp_ns - 5_000_000), bad)] == [None] * 3


@pytest.mark.parametrize(
    ('imu_hz', 'rate', 'expected'), [(400, 400.0, 400), (1000, 400.0, 400), (200, 400.0, 200), (400, 50.0, 50)]
)
def test_no_more_are_given_than_asked_for(drive, imu_hz, rate, expected):
    found = predictions(drive, settings=PredictionSettings(rate=rate), imu_ns=1_000_000_000 // imu_hz, seconds=3.0)
    within = [each for _, each in found if 1e9 <= each.stamp_ns - START_NS < 2e9]
    assert abs(len(within) - expected) <= 1


def test_an_estimate_older_than_all_readings_is_of_no_use(drive):
    predictor = OdometryPredictor(Rig())
    assert predictor.add(drive.reading(START_NS + 500_000_000)) is None
    predictor.update(drive.estimate(START_NS + 2 * FRAME_NS))
    assert predictor.add(drive.reading(START_NS + 510_000_000)) is None
