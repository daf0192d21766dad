"""The lag of the gyro behind the images: found where the recording tells it, refused with the reason where not."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from atvio_ros.bags.writer import BagWriter
from atvio_ros.calibration.gyro_lag import estimate_gyro_lag
from atvio_ros.calibration.gyro_recording import GyroRecording, RecordedGyro, RotationPairs
from atvio_ros.calibration.image_rotation import ImageRotation
from atvio_ros.cli.main import main
from atvio_ros.errors import ImuError
from atvio_ros.geometry import R_BODY_OPTICAL, transform
from atvio_ros.types import ImuSample
from atvio_ros.view.virtual_camera import VirtualCamera

START_NS = 1_700_000_000_000_000_003
MS = 1_000_000
INTRINSICS = (160.0, 160.0, 120.0, 60.0)


class Turns:
    """A yaw rate that wanders as a car's, and its exact integral. Time in ms from START_NS."""

    def __init__(self, seconds: float, seed: int = 5, period_s: float | None = None, rate: float = 0.3) -> None:
        count = int(1000 * (seconds + 4))
        noise = np.random.default_rng(seed).normal(size=count)
        smooth = gaussian_filter1d(noise, 400.0)
        self.rate = rate * smooth / smooth.std()  # (ms,) rad/s, from 2 s before the start
        if period_s is not None:
            self.rate = rate * np.sin(2 * np.pi * np.arange(count) / (1000 * period_s))
        self.yaw = np.concatenate(([0.0], np.cumsum(0.5e-3 * (self.rate[1:] + self.rate[:-1]))))

    def yaw_at(self, ms: np.ndarray) -> np.ndarray:
        return np.interp(ms + 2000, np.arange(len(self.yaw)), self.yaw)

    def rate_at(self, ms: np.ndarray) -> np.ndarray:
        return np.interp(ms + 2000, np.arange(len(self.rate)), self.rate)


def pairs_of(turns: Turns, seconds: float, noise: float = 0.0) -> RotationPairs:
    """Rotations about z (base_link) over uneven intervals of about 0.1 s."""
    rng = np.random.default_rng(1)
    at_ms = np.cumsum(rng.integers(98, 110, int(seconds * 10 / 1.04)))
    rotation = rng.normal(0.0, noise, (len(at_ms) - 1, 3)) if noise else np.zeros((len(at_ms) - 1, 3))
    rotation[:, 2] += np.diff(turns.yaw_at(at_ms))
    stamps_ns = START_NS + at_ms * MS
    return RotationPairs(stamps_ns[:-1], stamps_ns[1:], rotation)


def readings_of(
    turns: Turns, seconds: float, lag_ms: float, step_ms: int = 10, noise: float = 0.0, bias: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Stamps and readings of a gyro that tells at t + lag what happened at t."""
    at_ms = np.arange(-1000, int(1000 * seconds) + 1000, step_ms)
    rate = np.random.default_rng(2).normal(0.0, noise, (len(at_ms), 3)) if noise else np.zeros((len(at_ms), 3))
    rate[:, 2] += turns.rate_at(at_ms - lag_ms) + bias
    return START_NS + at_ms * MS, rate


def gyro_of(*words, **options) -> RecordedGyro:
    return RecordedGyro(*readings_of(*words, **options))


@pytest.mark.parametrize('lag_ms', [-120.0, 0.0, 37.0, 65.0])
@pytest.mark.parametrize('step_ms', [2, 10, 20])
def test_an_injected_lag_is_found_to_a_tenth_of_a_millisecond(lag_ms, step_ms):
    turns = Turns(60.0)
    found = estimate_gyro_lag(GyroRecording(pairs_of(turns, 60.0), gyro_of(turns, 60.0, lag_ms, step_ms, bias=0.01)))
    assert 1e3 * found.lag_s == pytest.approx(lag_ms, abs=0.1)
    assert found.bias[2] == pytest.approx(0.01, abs=1e-4)
    assert found.explained > 0.999


def test_the_standard_error_tells_how_far_a_noisy_estimate_is_off():
    errors, claims = [], []
    for seed in range(20):
        turns = Turns(40.0, seed)
        pairs = pairs_of(turns, 40.0, noise=0.003)
        found = estimate_gyro_lag(GyroRecording(pairs, gyro_of(turns, 40.0, 37.0, noise=0.01)))
        errors.append(1e3 * found.lag_s - 37.0)
        claims.append(1e3 * found.standard_error_s)
    assert np.abs(errors).max() < 15.0
    assert 0.5 < np.sqrt(np.mean(np.square(errors))) / np.sqrt(np.mean(np.square(claims))) < 2.0


def test_wild_references_do_not_move_the_lag():
    turns = Turns(60.0)
    pairs = pairs_of(turns, 60.0, noise=0.001)
    pairs.rotation[::15] += np.random.default_rng(3).normal(0.0, 0.3, pairs.rotation[::15].shape)
    found = estimate_gyro_lag(GyroRecording(pairs, gyro_of(turns, 60.0, 37.0)))
    assert 1e3 * found.lag_s == pytest.approx(37.0, abs=3.0)


def test_pairs_over_a_hole_in_the_imu_are_left_out():
    turns = Turns(60.0)
    hole = slice(2000, 2300)
    gyro = RecordedGyro(*(np.delete(each, hole, axis=0) for each in readings_of(turns, 60.0, 37.0)))
    found = estimate_gyro_lag(GyroRecording(pairs_of(turns, 60.0), gyro))
    assert 1e3 * found.lag_s == pytest.approx(37.0, abs=0.1)
    assert found.pairs < len(pairs_of(turns, 60.0)) - 28


def test_a_gyro_without_readings_is_refused():
    with pytest.raises(ImuError, match='too few'):
        RecordedGyro(np.zeros(1, dtype=np.int64), np.zeros((1, 3)))


@pytest.mark.parametrize(
    ('turns', 'lag_ms', 'noise', 'problem'),
    [
        (Turns(60.0, rate=1e-3), 37.0, 0.003, 'turns too little|explains'),
        (Turns(60.0, rate=0.0), 37.0, 0.0, 'turns too little'),
        (Turns(60.0, period_s=0.4), 37.0, 0.0, 'ambiguous.*repeats itself'),
        (Turns(60.0), 700.0, 0.0, 'end of the range|further apart'),
        (Turns(2.0), 37.0, 0.0, r'Only \d+ of \d+ frame pairs'),
    ],
)
def test_a_recording_that_does_not_tell_is_refused_with_the_reason(turns, lag_ms, noise, problem):
    seconds = len(turns.rate) / 1000 - 4
    with pytest.raises(ImuError, match=problem):
        estimate_gyro_lag(GyroRecording(pairs_of(turns, seconds, noise), gyro_of(turns, seconds, lag_ms, noise=noise)))


def test_streams_that_do_not_belong_together_are_refused():
    with pytest.raises(ImuError, match='explains'):
        estimate_gyro_lag(GyroRecording(pairs_of(Turns(60.0, 5), 60.0), gyro_of(Turns(60.0, 6), 60.0, 37.0)))


# ---- images and bags


def scene() -> np.ndarray:
    """A far wall all around, as a picture of it: 8 px a degree."""
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(0, 255, (60, 600), dtype=np.uint8), (2880, 288), interpolation=cv2.INTER_CUBIC)
    return np.asarray(wall)


def view(wall: np.ndarray, yaw: float) -> np.ndarray:
    """(120, 240) grey: the wall on a cylinder around the camera, which looks along base x turned by `yaw` [rad]."""
    fx, fy, cx, cy = INTRINSICS
    x, y = np.meshgrid((np.arange(240) - cx) / fx, (np.arange(120) - cy) / fy)
    azimuth = yaw - np.arctan2(x, 1.0)  # yaw is positive to the left
    height = y / np.hypot(x, 1.0)
    column = (-azimuth * 2880 / (2 * np.pi)) % 2880
    map_x, map_y = column.astype(np.float32), (144 + 400 * height).astype(np.float32)
    return np.asarray(cv2.remap(wall, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), dtype=np.uint8)


def test_the_rotation_between_two_images_is_seen():
    wall, rotations = scene(), ImageRotation(VirtualCamera(240, 120, *INTRINSICS).model)
    assert rotations.add(view(wall, 0.0)) is None
    R = rotations.add(view(wall, 0.05))
    assert R is not None
    in_base = R_BODY_OPTICAL @ Rotation.from_matrix(R).as_rotvec()
    np.testing.assert_allclose(in_base, (0.0, 0.0, 0.05), atol=2e-3)
    assert rotations.add(np.zeros((120, 240), np.uint8)) is None  # nothing to track


@pytest.fixture(scope='module')
def bag(tmp_path_factory) -> Path:
    """30 s of a camera that turns before a wall; its IMU is mounted upside down and lags by 37 ms."""
    path = tmp_path_factory.mktemp('bags') / 'turning'
    turns, wall = Turns(30.0, seed=8), scene()
    R_base_imu = np.diag([1.0, -1.0, -1.0])
    mounting = {
        ('base_link', 'camera'): transform(R_BODY_OPTICAL, np.zeros(3)),
        ('base_link', 'imu_link'): transform(R_base_imu, np.zeros(3)),
    }
    with BagWriter(path) as writer:
        writer.write_static_transforms(START_NS, mounting)
        for stamp_ns, rate in zip(*readings_of(turns, 30.0, 37.0), strict=True):
            writer.write_imu(ImuSample(int(stamp_ns), R_base_imu.T @ rate, np.array([0.0, 0.0, -9.81])))
        for ms in range(0, 30_000, 100):
            stamp_ns, yaw = START_NS + ms * MS, float(turns.yaw_at(np.array(ms)))
            writer.write_image(stamp_ns, view(wall, yaw))
            writer.write_camera_info(stamp_ns, 240, 120, INTRINSICS)
            T = transform(Rotation.from_euler('z', yaw).as_matrix(), np.zeros(3))
            writer.write_ground_truth(stamp_ns, T)
    return path


@pytest.fixture(scope='module')
def rig(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('rig') / 'rig.yaml'
    path.write_text('gyro_lag: 0.06\n')
    return path


@pytest.mark.parametrize(('reference', 'tolerance_ms'), [('truth', 0.2), ('images', 3.0), ('auto', 0.2)])
def test_a_bag_tells_its_lag_by_ground_truth_and_by_images(bag, rig, reference, tolerance_ms, capsys):
    assert main(['calibrate-time-offset', str(bag), '--rig', str(rig), '--reference', reference, '--json']) == 0
    result = json.loads(capsys.readouterr().out)
    assert result['reference'] == ('truth' if reference == 'auto' else reference)
    assert 1e3 * result['gyro_lag_s'] == pytest.approx(37.0, abs=tolerance_ms)
    assert result['imu_time_offset'] == pytest.approx(0.060 - result['gyro_lag_s'], abs=1e-4)


def test_the_last_line_is_what_the_node_takes(bag, rig, capsys):
    assert main(['calibrate-time-offset', str(bag), '--rig', str(rig)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == 'imu_time_offset: 0.0230'
    assert 'lags the images by 37.0 ms' in lines[0]


@pytest.mark.parametrize('seconds', ['0', '-1', 'nan', '60'])
def test_a_search_range_that_makes_no_sense_is_refused(bag, rig, seconds, capsys):
    assert main(['calibrate-time-offset', str(bag), '--rig', str(rig), f'--search={seconds}']) == 1
    assert '--search must be' in capsys.readouterr().err
