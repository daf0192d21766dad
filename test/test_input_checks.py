"""Bad inputs are named in words that say what to do, and good ones are left in peace."""

from __future__ import annotations

import numpy as np
import pytest
from samples.streams import MS, START_NS, feed, frame, pair, reading, readings

from atvio_ros.odometry import input_checks
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.odometry.imu_buffer import ImuBuffer
from atvio_ros.odometry.input_checks import (
    BLANK,
    BLANK_RANGE,
    FROZEN,
    ClippingCheck,
    GravityCheck,
    SightCheck,
    SizeCheck,
    implausible,
    is_blank,
)
from atvio_ros.odometry.ledger import Ledger, Reason
from atvio_ros.types import CameraFrame, FramePair


def noisy(level: float, spread: float, shape=(64, 208, 1), seed: int = 0) -> np.ndarray:
    return np.clip(np.random.default_rng(seed).normal(level, spread, shape), 0, 255).astype(np.uint8)


def released_stretch(count: int) -> list[FramePair]:
    """Pairs that share their images, as the pairer releases them."""
    stamps_ns = [START_NS + k * 100 * MS for k in range(count)]
    pairer = FramePairer()
    return feed(pairer, [*readings(stamps_ns[0], stamps_ns[-1]), *map(frame, stamps_ns)])


@pytest.mark.parametrize('level', [0.0, 2.0, 120.0, 255.0])
def test_an_image_of_one_grey_is_blank_its_noise_and_hot_pixels_aside(level):
    image = noisy(level, 1.0)
    image[3, 5] = 255 - image[3, 5]
    assert is_blank(image)


def test_a_picture_is_not_blank_though_it_is_dark_or_foggy():
    fog = np.linspace(100, 125, 64)[:, None, None] + noisy(0, 1.0)
    for image in (noisy(8, 4.0), fog.astype(np.uint8), noisy(90, 40.0, (64, 208, 3)), noisy(90, 40.0, (1, 2, 1))):
        assert not is_blank(image)


def test_black_and_frozen_pairs_show_no_motion_and_say_why():
    good, check = pair(START_NS, START_NS + 100 * MS), SightCheck()
    assert check.update(good) is None
    black = CameraFrame(good.current.stamp_ns, np.zeros((4, 6, 1), np.uint8))
    assert check.update(FramePair(good.previous, black, good.imu)) == BLANK
    assert check.update(FramePair(black, good.current, good.imu)) == BLANK
    same = CameraFrame(good.current.stamp_ns, good.previous.image.copy())
    assert check.update(FramePair(good.previous, same, good.imu)) == FROZEN


@pytest.mark.parametrize('shape', [(64, 208, 1), (64, 208, 3), (4, 6, 1), (1, 2, 1)])
@pytest.mark.parametrize('spread', [0.5, 1.2, 1.4, 1.6, 3.0])
def test_blank_means_that_all_but_the_extreme_hundredths_of_the_values_lie_close_together(shape, spread):
    for seed in range(10):
        image = noisy(90, spread, shape, seed)
        values = np.sort(image, axis=None)
        hundredth = image.size // 100
        dark, bright = int(values[hundredth]), int(values[-1 - hundredth])
        assert is_blank(image) == (bright - dark <= BLANK_RANGE)


def test_each_image_of_a_stretch_is_looked_at_once(monkeypatch):
    looked_at, pairs = [], released_stretch(6)
    monkeypatch.setattr(input_checks, 'is_blank', lambda image: bool(looked_at.append(id(image))))
    check = SightCheck()
    assert [check.update(each) for each in pairs] == [None] * 5
    frames = [pairs[0].previous, *(each.current for each in pairs)]
    assert looked_at == [id(each.image) for each in frames]


def said_of(force, R_base_imu=None, seconds=6) -> list[str]:
    check = GravityCheck(R_base_imu)
    texts = [check.update(reading(START_NS + k * 10 * MS, force=force)) for k in range(100 * seconds + 1)]
    return [text for text in texts if text]


@pytest.mark.parametrize('force', [(0.0, 0.0, 9.81), (0.3, -0.2, 9.9), (3.0, 0.0, 9.5), (0.0, -3.0, 9.0)])
def test_gravity_near_base_z_passes(force):
    assert said_of(force) == []


@pytest.mark.parametrize(
    ('force', 'degrees'), [((6.0, 0.0, 8.0), 37), ((0.0, 9.0, 3.0), 72), ((0.0, 0.0, -9.8), 180), ((9.81, 0, 0), 90)]
)
def test_gravity_beside_base_z_is_said_every_second_from_the_third_on(force, degrees):
    said = said_of(force)
    assert len(said) == 4
    assert all(f'gravity is {degrees} deg' in text and 'base_to_imu' in text for text in said)


def test_gravity_is_judged_in_the_axes_of_the_base():
    x_up = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])  # imu x is base z, as on EuRoC's drone
    assert said_of((9.81, 0.0, 0.0), x_up) == []
    assert len(said_of((0.0, 0.0, 9.81), x_up)) == 4
    pairer = FramePairer(ImuBuffer(R_base_imu=x_up), on_warning=(warnings := []).append)
    for k in range(600):
        pairer.add_imu(reading(START_NS + k * 10 * MS, force=(9.81, 0.0, 0.0)))
    assert warnings == []


def test_hard_braking_is_no_tilt_but_a_drone_that_tips_over_is_noticed_later():
    check, stamps_ns = GravityCheck(), [START_NS + k * 10 * MS for k in range(4000)]
    forces = [(0.0, 0.0, 9.81)] * 1000 + [(-5.0, 0.0, 9.81)] * 400 + [(0.0, 0.0, 9.81)] * 600 + [(7.0, 0.0, 6.9)] * 2000
    said = [k for k, s in enumerate(stamps_ns) if check.update(reading(s, force=forces[k]))]
    assert 2000 < said[0] < 3000


@pytest.mark.parametrize(
    ('force', 'advice'),
    [
        ((0.0, 0.0, 1.0), 'multiply by 9.81'),
        ((0.01, 0.02, 0.0), 'removed gravity'),
        ((0.0, 0.0, 9810.0), 'thousandths'),
        ((0.0, 0.0, 1000.0), 'thousandths'),
        ((0.0, 0.0, 5.0), 'check units'),
        ((0.0, 0.0, 14.0), 'check units'),
    ],
)
def test_wrong_units_are_said_every_second_and_with_what_to_do(force, advice):
    check = GravityCheck()
    texts = [check.update(reading(START_NS + k * 10 * MS, force=force)) for k in range(301)]
    said = [text for text in texts if text]
    assert len(said) == 3
    assert all(advice in text for text in said)


def test_gravity_is_a_mean_and_checked_at_the_start_only():
    rng, check = np.random.default_rng(0), GravityCheck()
    rough = [reading(START_NS + k * 10 * MS, force=rng.normal((0.0, 0.0, 9.81), 5.0)) for k in range(110)]
    falling = [reading(START_NS + (110 + k) * 10 * MS, force=(0.0, 0.0, 0.0)) for k in range(300)]
    assert not any(check.update(sample) for sample in [*rough, *falling])


def test_gravity_is_judged_on_a_whole_second_though_stamps_jump():
    check = GravityCheck()
    stamps_ns = [START_NS + k * 10 * MS for k in range(50)] + [START_NS - 10**12 + k * 10 * MS for k in range(120)]
    texts = [check.update(reading(stamp_ns, force=(0.0, 0.0, 1.0))) for stamp_ns in stamps_ns]
    assert [k for k, text in enumerate(texts) if text] == [150]


def test_readings_beyond_all_reason_are_dropped_counted_and_explained():
    assert implausible(reading(0, gyro=(0.0, 0.0, 34.9), force=(0.0, 0.0, -159.0))) is None
    degrees = implausible(reading(0, gyro=(0.0, 90.0, 0.0)))
    assert degrees is not None
    assert 'degrees per second' in degrees
    assert 'm/s^2' in (implausible(reading(0, force=(0.0, 0.0, 981.0))) or '')
    told = []
    pairer = FramePairer(ledger=Ledger(lambda reason, detail: told.append((reason, detail))))
    pairer.add_imu(reading(START_NS, gyro=(0.0, 0.0, -40.0)))
    counts = pairer.ledger.counts
    assert counts.dropped == {Reason.IMU_IMPLAUSIBLE: 1}
    assert (counts.imu_received, counts.imu_dropped, counts.images_dropped) == (1, 1, 0)
    assert len(pairer.imu) == 0
    assert told[0][0] is Reason.IMU_IMPLAUSIBLE


def test_a_burst_of_impossible_readings_is_a_hole_and_not_a_turn():
    stamps_ns = [START_NS + k * 100 * MS for k in range(4)]
    samples = [
        reading(s.stamp_ns, gyro=(0.0, 0.0, 50.0)) if START_NS + 110 * MS < s.stamp_ns < START_NS + 190 * MS else s
        for s in readings(START_NS, START_NS + 310 * MS)
    ]
    pairer = FramePairer()
    pairs = feed(pairer, sorted([*samples, *map(frame, stamps_ns)], key=lambda event: event.stamp_ns))
    assert pairer.ledger.counts.dropped[Reason.IMU_GAP] == 1
    assert len(pairs) == 2
    assert max(np.abs(each.imu.values[:, :3]).max() for each in pairs) < 2.0


@pytest.mark.parametrize(
    ('gyro', 'force', 'sensor'),
    [((0.1, 4.363, 0.2), (0.0, 0.0, 9.8), 'gyro'), ((0.0, 0.1, 0.2), (0.0, 0.0, 19.61), 'accelerometer')],
)
def test_an_axis_at_the_end_of_its_range_is_noticed(gyro, force, sensor):
    check = ClippingCheck()
    texts = [check.update(reading(START_NS + k * 10 * MS, gyro, force)) for k in range(8)]
    assert texts[:4] == [None] * 4
    assert all(sensor in text and 'range' in text for text in texts[4:])


def test_readings_that_are_large_but_alive_or_constant_but_small_are_not_clipped():
    rng, check = np.random.default_rng(0), ClippingCheck()
    for k in range(100):
        assert (
            check.update(reading(START_NS + k, (0.0, 0.0, 6.0 + rng.normal(0, 0.1)), (0.0, 0.0, 25.0 + rng.normal())))
            is None
        )
    assert not any(check.update(reading(START_NS + k)) for k in range(100))


def test_the_pairer_passes_on_what_looks_wrong_but_is_used():
    said = []
    pairer = FramePairer(on_warning=said.append)
    for k in range(120):
        pairer.add_imu(reading(START_NS + k * 10 * MS, force=(0.0, 0.0, 1.0)))
    assert len(said) == 1
    assert 'multiply by 9.81' in said[0]
    assert len(pairer.imu) == 120


def test_a_change_of_image_size_is_said_once_each_time():
    check = SizeCheck()
    sizes = [(376, 1241)] * 3 + [(480, 640)] * 3 + [(376, 1241)]
    texts = [check.update(*size) for size in sizes]
    assert [text is not None for text in texts] == [False, False, False, True, False, False, True]
    assert '640x480 now, 1241x376 before' in (texts[3] or '')


@pytest.mark.filterwarnings('error')
def test_forces_that_no_unit_explains_are_no_gravity_and_overflow_nothing():
    check = GravityCheck()
    for i in range(400):
        force = (0.0, 1e300 if i % 3 else 0.0, 9.81)
        assert check.update(reading(START_NS + 10 * i * MS, force=force)) is None
