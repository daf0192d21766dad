"""At rest the pose holds; it never holds while the robot moves, however little IMU or camera tell."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from samples.streams import MS, START_NS, Scripted

from atvio_ros.geometry import R_BODY_OPTICAL, transform, translation
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.input_checks import SightCheck
from atvio_ros.odometry.standstill import StandstillGate, StandstillSettings, image_change_px, view
from atvio_ros.types import CameraFrame, FramePair, ImuWindow

HZ = 10
LOOKING_FORWARD = transform(R_BODY_OPTICAL, np.zeros(3))


def texture() -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=(128, 1200)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return 110.0 + 45.0 * smooth / smooth.std()


TEXTURE = texture()


def seen(shift_px: float, rng: np.random.Generator, gain: float = 1.0, noise: float = 1.5) -> np.ndarray:
    """A grey image (128, 416, 1) of a scene that has moved sideways by so many pixels."""
    matrix = np.array([[1.0, 0.0, -shift_px], [0.0, 1.0, 0.0]])
    image = cv2.warpAffine(TEXTURE, matrix, (416, 128), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.clip(gain * image + rng.normal(0.0, noise, image.shape), 0, 255).astype(np.uint8)[:, :, None]


def drive(speeds, px_per_m=10.0, imu_noise=(5e-4, 0.01), shake=0.0, force_x=0.0, image=None, gain=None, hz=HZ, seed=0):
    """Frame pairs of a robot with these speeds [m/s] in each; a camera that sees it as sideways image motion.

    At 416 px, 10 px a metre is less than what a car's camera sees of the road in front of it.
    """
    rng, step_ns = np.random.default_rng(seed), 1_000_000_000 // hz
    speeds = np.asarray(speeds, dtype=float)
    way_m = np.concatenate(([0.0], np.cumsum(speeds / hz)))
    frames = []
    for k, at in enumerate(way_m):
        pixels = image(k, rng) if image else seen(px_per_m * at, rng, gain(k) if gain else 1.0)
        frames.append(CameraFrame(START_NS + k * step_ns, pixels))
    pairs = []
    for k, speed in enumerate(speeds):
        stamps_ns = np.linspace(frames[k].stamp_ns, frames[k + 1].stamp_ns, 11).astype(np.int64)
        values = rng.normal(0.0, 1.0, (11, 6)) * ([imu_noise[0]] * 3 + [imu_noise[1]] * 3)
        values += [1e-3, -1e-3, 5e-4, force_x, 0.1, 9.8]
        if shake and speed:
            values += rng.normal(0.0, 1.0, (11, 6)) * ([0.02 * shake] * 3 + [0.3 * shake] * 3)
        pairs.append(FramePair(frames[k], frames[k + 1], ImuWindow(stamps_ns, values), continues=k > 0))
    return pairs


def gated(pairs, settings: StandstillSettings | None = None) -> np.ndarray:
    gate, sight = StandstillGate(settings), SightCheck()
    return np.array([gate.update(pair, sight.update(pair) is not None) for pair in pairs])


def test_rest_is_noticed_within_little_more_than_the_dwell_time_and_held():
    stationary = gated(drive([5.0] * 20 + [0.0] * 60, shake=1.0))
    assert not stationary[:20].any()
    assert stationary[32:].all()


def test_driving_off_is_noticed_at_once():
    stationary = gated(drive([0.0] * 30 + [0.5] * 20, shake=1.0))
    assert stationary[15:30].all()
    assert not stationary[31:].any()


def test_creeping_off_without_a_jerk_is_noticed_by_the_image_within_a_few_decimetres():
    speeds = np.concatenate((np.zeros(30), np.linspace(0.0, 0.3, 30), np.full(30, 0.3)))
    stationary = gated(drive(speeds))
    last = np.flatnonzero(stationary).max()
    assert speeds[: last + 1].sum() / HZ < 0.2
    assert not stationary[last + 1 :].any()


@pytest.mark.parametrize('speed', [0.1, 0.3, 1.0, 5.0, 25.0])
@pytest.mark.parametrize('seed', range(3))
def test_a_constant_speed_is_never_rest_however_quiet_the_imu(speed, seed):
    """At constant velocity on a smooth road the IMU reads what it reads at rest."""
    assert not gated(drive([speed] * 60, seed=seed)).any()


def test_a_motorway_in_fog_is_not_rest():
    def fog(k, rng):
        return np.clip(120.0 + rng.normal(0.0, 1.5, (128, 416, 1)), 0, 255).astype(np.uint8)

    assert not gated(drive([25.0] * 60, image=fog)).any()


@pytest.mark.parametrize('picture', [np.zeros((128, 416, 1), np.uint8), TEXTURE[:, :416, None].astype(np.uint8)])
def test_an_image_that_is_black_or_never_changes_by_a_bit_is_not_rest(picture):
    assert not gated(drive([25.0] * 60, image=lambda k, rng: picture)).any()


def test_a_dark_camera_that_only_shows_its_noise_is_not_rest():
    def dark(k, rng):
        return np.clip(rng.normal(3.0, 1.0, (128, 416, 1)), 0, 255).astype(np.uint8)

    assert not gated(drive([25.0] * 60, image=dark)).any()


def test_a_change_of_exposure_and_a_passer_by_do_not_end_rest():
    def passing(k, rng):
        image = seen(0.0, rng, gain=1.0 + 0.2 * np.sin(0.2 * k))
        image[40:128, 5 * k : 5 * k + 60] = 30 + k  # a pedestrian
        return image

    assert gated(drive([0.0] * 60, image=passing))[12:].all()


def test_shaking_is_not_rest_though_the_image_stands():
    assert not gated(drive([0.0] * 60, imu_noise=(0.03, 0.5))).any()


def test_a_steady_push_ends_rest_even_before_the_image_moves():
    rest, pushed = drive([0.0] * 30), drive([0.0] * 60, force_x=0.5)[30:]
    stationary = gated([*rest, *pushed])
    assert stationary[29]
    assert not stationary[30:38].any()


@pytest.mark.parametrize('hz', [2, 5, 10, 30, 60])
def test_rest_and_slow_driving_are_told_apart_at_every_image_rate(hz):
    stationary = gated(drive([0.3] * (4 * hz) + [0.0] * (4 * hz), hz=hz))
    assert not stationary[: 4 * hz].any()
    assert stationary[-hz:].all()


def test_a_gap_begins_anew():
    pairs = drive([0.0] * 40)
    pairs[25] = FramePair(pairs[25].previous, pairs[25].current, pairs[25].imu, continues=False)
    stationary = gated(pairs)
    assert stationary[24]
    assert not stationary[25:34].any()
    assert stationary[36]


def test_the_same_pairs_give_the_same_answers():
    pairs = drive([1.0] * 15 + [0.0] * 25)
    gate = StandstillGate()
    first = [gate.update(pair, blind=False) for pair in pairs]
    gate.reset()
    assert [gate.update(pair, blind=False) for pair in pairs] == first


def test_image_change_is_about_the_motion_and_blind_to_exposure():
    rng = np.random.default_rng(1)
    at = {px: view(seen(px, rng, noise=0.0)) for px in (0.0, 0.4, 1.0)}
    brighter = view(seen(0.0, rng, gain=1.2, noise=0.3))
    small, large = (image_change_px(at[0.0], at[px]) for px in (0.4, 1.0))
    assert 0.05 < small < 0.4 < 2.2 * small < large < 1.0  # half a pixel at 416 is a quarter at 208
    assert image_change_px(at[0.0], brighter) < 0.05
    assert image_change_px(at[0.0], at[0.0]) == np.inf


def test_held_odometry_does_not_drift_and_is_still_uncertain():
    """The network believes to creep at 0.5 m/s and to turn: below 1 mm/s and 0.01 deg/s must come out."""
    wrong = translation(0.0, 0.0, 0.05)
    engine = OdometryEngine(Scripted(wrong), LOOKING_FORWARD, standstill=StandstillGate())
    estimates = [engine.process(pair) for pair in drive([0.0] * 60)]
    held = [estimate for estimate in estimates if estimate.stationary]
    assert len(held) >= 45
    np.testing.assert_array_equal(held[0].T_odom_base[:3, 3], held[-1].T_odom_base[:3, 3])
    for estimate in held:
        assert not np.any(estimate.linear_velocity)
        assert not np.any(estimate.angular_velocity)
        np.testing.assert_array_equal(estimate.motion.T_previous_current, np.eye(4))
        assert np.linalg.eigvalsh(estimate.twist_covariance).min() > 0.0
        assert np.sqrt(estimate.twist_covariance[0, 0]) <= 1e-3 + 1e-12
    assert held[-1].pose_covariance[0, 0] > held[0].pose_covariance[0, 0]
    assert not any(estimate.stationary for estimate in estimates[:8])


def test_without_a_gate_every_motion_is_the_networks_as_in_the_paper():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 0.05)), LOOKING_FORWARD)
    estimates = [engine.process(pair) for pair in drive([0.0] * 30)]
    assert not any(estimate.stationary for estimate in estimates)
    assert estimates[-1].T_odom_base[0, 3] == pytest.approx(1.5)
    assert estimates[-1].stamp_ns == START_NS + 30 * 100 * MS


MEMS_NOISE = 0.005 * np.sqrt(100.0), 0.5  # rad/s of a reading at 100 Hz (0.005 rad/s/sqrt(Hz)); vibration of an engine
MEMS_BIAS = np.array([0.08, -0.05, 0.06])


def mems(pairs, bias=MEMS_BIAS):
    """The same pairs with the bias of an ordinary IMU."""
    return [
        FramePair(
            p.previous, p.current, ImuWindow(p.imu.stamps_ns, p.imu.values + np.array([*bias, 0, 0, 0])), p.continues
        )
        for p in pairs
    ]


@pytest.mark.parametrize('bias', [np.zeros(3), MEMS_BIAS])
def test_an_ordinary_imu_with_the_engine_on_is_found_at_rest(bias):
    """A drive to a stop, then standing: the noise at rest is that of the sensor and of the engine."""
    stationary = gated(mems(drive([5.0] * 150 + [0.0] * 100, imu_noise=MEMS_NOISE, shake=2.0), bias))
    assert not stationary[:150].any()
    assert stationary[180:].mean() > 0.95


def test_an_ordinary_imu_is_found_at_rest_from_the_start_once_its_noise_is_known():
    stationary = gated(mems(drive([0.0] * 200, imu_noise=MEMS_NOISE)))
    assert not stationary[:90].any()
    assert stationary[105:].mean() > 0.95


def test_rest_with_the_engine_on_after_rest_with_it_off_is_found_within_the_memory_of_the_noise():
    quiet = drive([0.0] * 150, imu_noise=(5e-4, 0.01))
    loud = drive([0.0] * 450, imu_noise=(5e-4, 0.5), seed=1)[150:]
    stationary = gated([*quiet, *loud], StandstillSettings(noise_memory_s=20.0))
    assert stationary[20:150].all()
    assert stationary[150 + 230 :].mean() > 0.95


@pytest.mark.parametrize('speed', [0.1, 0.3, 1.0, 5.0, 25.0])
def test_a_constant_speed_is_never_rest_with_a_noisy_imu(speed):
    def passing(k, rng):
        return seen((speed * k) % 700.0, rng)  # 10 px a metre, 10 Hz; the texture ends somewhere

    assert not gated(mems(drive([speed] * 200, imu_noise=MEMS_NOISE, image=passing))).any()


def test_swaying_there_and_back_is_not_rest_with_a_noisy_imu():
    def swaying(k, rng):
        return seen(100.0 + 3.0 * np.sin(np.pi * k / 10), rng)  # as it was after every dwell time

    assert not gated(mems(drive([0.0] * 200, imu_noise=MEMS_NOISE, image=swaying))).any()


def test_driving_off_is_noticed_at_once_with_a_noisy_imu():
    stationary = gated(mems(drive([0.0] * 200 + [0.5] * 20, imu_noise=MEMS_NOISE)))
    assert stationary[190:200].any()
    assert not stationary[203:].any()
