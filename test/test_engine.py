"""The engine turns camera motions into odometry of base_link: axes, lever arm, twist, covariance, memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from samples.streams import MS, START_NS, Scripted, pair, stretch
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from atvio_ros.errors import ImuError, ModelError, SettingsError
from atvio_ros.geometry import R_BODY_OPTICAL, inverse, logarithm, skew, transform, translation
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.config import AtvioConfig
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.estimator import NetworkEstimator, choose_device
from atvio_ros.types import CameraFrame, FramePair, ImuWindow

LOOKING_FORWARD = transform(R_BODY_OPTICAL, np.zeros(3))
ONE_METRE_AHEAD = transform(R_BODY_OPTICAL, np.array([1.0, 0.0, 0.0]))
TILTED = transform(
    Rotation.from_euler('ZYX', [20, 15, -10], degrees=True).as_matrix() @ R_BODY_OPTICAL, np.array([1.1, -0.3, 0.7])
)


def turn(axis: str, angle: float) -> np.ndarray:
    return transform(Rotation.from_euler(axis, angle).as_matrix(), np.zeros(3))


def seen_by_camera(T_base_motion: np.ndarray, T_base_camera: np.ndarray) -> np.ndarray:
    """The camera's own motion while base_link moves so: from the poses of both, by the definition of a pose."""
    T_world_camera_before = T_base_camera
    T_world_camera_after = T_base_motion @ T_base_camera
    return inverse(T_world_camera_before) @ T_world_camera_after


def moved_for(twist: np.ndarray, seconds: float) -> np.ndarray:
    """Pose after a constant twist (v, w) in the moving frame."""
    matrix = np.zeros((4, 4))
    matrix[:3, :3], matrix[:3, 3] = skew(twist[3:]), twist[:3]
    return expm(seconds * matrix)


def picture_of_a_grid() -> np.ndarray:
    return np.indices((8, 8)).sum(axis=0).astype(np.uint8)[:, :, None] * 16


def only(engine: OdometryEngine):
    return engine.process(pair(START_NS, START_NS + 100 * MS))


def test_optical_forward_is_base_link_x():
    estimate = only(OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD))
    np.testing.assert_allclose(estimate.T_odom_base, translation(1.0, 0.0, 0.0), atol=1e-12)
    np.testing.assert_allclose(estimate.linear_velocity, [10.0, 0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(estimate.angular_velocity, 0.0, atol=1e-12)
    assert estimate.stamp_ns == START_NS + 100 * MS


@pytest.mark.parametrize(
    ('optical', 'body'),
    [(turn('y', -0.1), turn('z', 0.1)), (turn('x', -0.1), turn('y', 0.1)), (turn('z', 0.1), turn('x', 0.1))],
    ids=['yaw', 'pitch', 'roll'],
)
def test_turning_left_is_positive_yaw_about_body_z_and_so_on(optical, body):
    estimate = only(OdometryEngine(Scripted(optical), LOOKING_FORWARD))
    np.testing.assert_allclose(estimate.T_odom_base, body, atol=1e-12)
    np.testing.assert_allclose(estimate.angular_velocity, logarithm(body)[3:] / 0.1, atol=1e-9)


def test_a_robot_that_turns_on_the_spot_does_not_move_though_its_camera_does():
    spin = turn('z', 0.1)
    camera = seen_by_camera(spin, ONE_METRE_AHEAD)
    assert np.linalg.norm(camera[:3, 3]) == pytest.approx(2 * np.sin(0.05))  # the chord of its circle
    assert camera[0, 3] < 0  # to its left
    engine = OdometryEngine(Scripted(camera), ONE_METRE_AHEAD)
    for each in stretch(20):
        estimate = engine.process(each)
        np.testing.assert_allclose(estimate.T_odom_base[:3, 3], 0.0, atol=1e-12)
        np.testing.assert_allclose(estimate.linear_velocity, 0.0, atol=1e-9)
        np.testing.assert_allclose(estimate.angular_velocity, [0.0, 0.0, 1.0], atol=1e-9)


@pytest.mark.parametrize(
    'T_base_camera', [LOOKING_FORWARD, ONE_METRE_AHEAD, TILTED], ids=['at base', 'ahead', 'tilted']
)
def test_a_constant_twist_is_reported_exactly_and_in_base_link(T_base_camera):
    twist = np.array([12.0, -0.4, 0.3, 0.1, -0.2, 0.9])
    engine = OdometryEngine(Scripted(seen_by_camera(moved_for(twist, 0.1), T_base_camera)), T_base_camera)
    for i, each in enumerate(stretch(40)):
        estimate = engine.process(each)
        np.testing.assert_allclose([*estimate.linear_velocity, *estimate.angular_velocity], twist, atol=1e-9)
        np.testing.assert_allclose(estimate.T_odom_base, moved_for(twist, 0.1 * (i + 1)), atol=1e-9)


def test_the_twist_is_per_second_of_the_interval_between_the_images():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD)
    slow, fast = (engine.process(pair(START_NS, START_NS + ms * MS)) for ms in (200, 50))
    assert slow.linear_velocity[0] == pytest.approx(5.0)
    assert fast.linear_velocity[0] == pytest.approx(20.0)
    np.testing.assert_allclose(fast.twist_covariance, 16 * slow.twist_covariance)


def test_rotations_stay_rotations_over_a_long_drive():
    drifting = translation(0.0, 0.0, 1.0)
    drifting[:3, :3] = Rotation.from_rotvec([1e-3, 0.3, 2e-2]).as_matrix() * (1 + 1e-6)  # as float32 leaves it
    engine = OdometryEngine(Scripted(drifting), LOOKING_FORWARD)
    for each in stretch(500):
        R = engine.process(each).T_odom_base[:3, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)


def test_covariance_is_symmetric_positive_semidefinite_and_grows():
    engine = OdometryEngine(Scripted(seen_by_camera(moved_for(np.array([8.0, 0, 0, 0, 0, 0.7]), 0.1), TILTED)), TILTED)
    sizes = [0.0]
    for each in stretch(60):
        estimate = engine.process(each)
        for covariance in (estimate.pose_covariance, estimate.twist_covariance):
            np.testing.assert_allclose(covariance, covariance.T, rtol=1e-12, atol=1e-18)
            assert np.linalg.eigvalsh(covariance).min() > 0.0
        sizes.append(np.trace(estimate.pose_covariance))
    assert (np.diff(sizes) > 0).all()


def test_a_robot_at_rest_is_still_uncertain():
    estimate = only(OdometryEngine(Scripted(np.eye(4)), LOOKING_FORWARD))
    assert (np.diag(estimate.pose_covariance) > 0).all()
    assert (np.diag(estimate.twist_covariance) > 0).all()


def test_the_memory_is_cleared_where_a_stretch_begins_and_the_pose_goes_on():
    estimator = Scripted(translation(0.0, 0.0, 1.0))
    engine = OdometryEngine(estimator, LOOKING_FORWARD)
    resets = []
    for each in [*stretch(3), *stretch(3)]:
        estimate = engine.process(each)
        resets.append(estimator.resets)
    assert resets == [2, 2, 3, 3]  # once when made
    np.testing.assert_allclose(estimate.T_odom_base, translation(4.0, 0.0, 0.0), atol=1e-12)


def test_a_reset_begins_at_the_origin_without_uncertainty_or_memory():
    estimator = Scripted(translation(0.0, 0.0, 1.0))
    engine = OdometryEngine(estimator, LOOKING_FORWARD)
    first = only(engine)
    only(engine)
    before = estimator.resets
    engine.reset()
    assert estimator.resets == before + 1
    again = only(engine)
    np.testing.assert_array_equal(again.T_odom_base, first.T_odom_base)
    np.testing.assert_array_equal(again.pose_covariance, first.pose_covariance)


def test_an_estimate_handed_out_does_not_change_any_more():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD)
    first = only(engine)
    kept = first.T_odom_base.copy(), first.pose_covariance.copy()
    first.T_odom_base[:] = 0.0
    first.pose_covariance[:] = 0.0
    second = only(engine)
    assert second.T_odom_base[0, 3] == pytest.approx(2.0)
    assert second.pose_covariance[0, 0] > kept[1][0, 0]


def test_a_motion_that_is_no_number_is_refused_and_leaves_the_pose_where_it_was():
    ahead, broken = translation(0.0, 0.0, 1.0), translation(0.0, np.nan, 1.0)
    estimator = Scripted(ahead, broken, ahead)
    engine = OdometryEngine(estimator, LOOKING_FORWARD)
    only(engine)
    resets = estimator.resets
    with pytest.raises(ModelError, match='not finite'):
        only(engine)
    assert estimator.resets > resets
    np.testing.assert_allclose(only(engine).T_odom_base, translation(2.0, 0.0, 0.0), atol=1e-12)


# ---- resets, gaps, failures


def test_a_reset_to_a_pose_goes_on_from_there_with_the_covariance_given():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD)
    only(engine)
    facing_left = transform(turn('z', np.pi / 2)[:3, :3], np.array([5.0, 6.0, 7.0]))
    covariance = np.diag([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])
    engine.reset(facing_left, covariance)
    estimate = only(engine)
    np.testing.assert_allclose(estimate.T_odom_base[:3, 3], [5.0, 7.0, 7.0], atol=1e-9)
    assert estimate.gap_s == 0.0
    assert estimate.pose_covariance[1, 1] == pytest.approx(2.0, abs=0.01)  # along the way, which yaw does not change
    assert estimate.pose_covariance[0, 0] == pytest.approx(1.0 + 0.3, abs=0.01)  # 1 m further on, yaw moves x
    assert np.linalg.eigvalsh(estimate.pose_covariance).min() > 0.0


@pytest.mark.parametrize(
    ('T', 'covariance'),
    [
        (np.full((4, 4), np.nan), None),
        (np.diag([1.0, 1.0, -1.0, 1.0]), None),
        (np.diag([2.0, 2.0, 2.0, 1.0]), None),
        (np.eye(3), None),
        (None, -np.eye(6)),
        (None, np.eye(3)),
    ],
)
def test_a_reset_to_what_is_no_pose_is_refused_and_changes_nothing(T, covariance):
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD)
    pairs = stretch(3)
    engine.process(pairs[0])
    with pytest.raises(SettingsError):
        engine.reset(T, covariance)
    np.testing.assert_allclose(engine.process(pairs[1]).T_odom_base, translation(2.0, 0.0, 0.0), atol=1e-12)


def test_after_a_gap_the_pose_goes_on_from_the_last_and_is_less_certain_the_longer_and_faster():
    spread = {}
    for step_m in (0.1, 2.0):
        for gap_ms in (200, 3000):
            engine = OdometryEngine(Scripted(translation(0.0, 0.0, step_m)), LOOKING_FORWARD)
            before = engine.process(pair(START_NS, START_NS + 100 * MS))
            start_ns = START_NS + (100 + gap_ms) * MS
            after = engine.process(pair(start_ns, start_ns + 100 * MS, continues=False))
            assert after.gap_s == pytest.approx(gap_ms / 1e3)
            assert after.T_odom_base[0, 3] - before.T_odom_base[0, 3] == pytest.approx(step_m)
            spread[step_m, gap_ms] = np.sqrt(after.pose_covariance[0, 0])
            assert spread[step_m, gap_ms] >= 10 * step_m * gap_ms / 1e3  # it may have gone on as it did
            assert np.linalg.eigvalsh(after.pose_covariance).min() > 0.0
    assert spread[0.1, 200] < spread[0.1, 3000] < spread[2.0, 3000]
    assert spread[2.0, 200] < spread[2.0, 3000]


def test_a_missing_pair_is_a_gap_even_if_the_next_pair_claims_to_continue():
    estimator = Scripted(translation(0.0, 0.0, 1.0))
    engine = OdometryEngine(estimator, LOOKING_FORWARD)
    first, _, third, fourth = stretch(5)
    engine.process(first)
    resets = estimator.resets
    after = engine.process(third)
    assert estimator.resets == resets + 1
    assert after.gap_s == pytest.approx(0.1)
    assert engine.process(fourth).gap_s == 0.0
    assert estimator.resets == resets + 1


class FailsOnce(Scripted):
    """Raises on its second pair, as PyTorch does when memory runs out."""

    calls = 0

    def predict(self, pair: FramePair):
        self.calls += 1
        if self.calls == 2:
            raise RuntimeError('out of memory')
        return super().predict(pair)


def test_after_a_pair_that_failed_the_next_begins_a_new_stretch():
    estimator = FailsOnce(translation(0.0, 0.0, 1.0))
    engine = OdometryEngine(estimator, LOOKING_FORWARD)
    first, second, third = stretch(4)
    before = engine.process(first)
    with pytest.raises(RuntimeError):
        engine.process(second)
    resets = estimator.resets
    after = engine.process(third)
    assert estimator.resets == resets + 1
    assert after.gap_s == pytest.approx(0.1)
    assert after.T_odom_base[0, 3] == pytest.approx(2.0)
    assert after.pose_covariance[0, 0] > before.pose_covariance[0, 0] + 0.9**2


def test_stamps_that_jump_back_leave_the_pose_and_make_it_uncertain():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD)
    engine.process(pair(START_NS, START_NS + 100 * MS))
    back = engine.process(pair(START_NS - 20_000 * MS, START_NS - 19_900 * MS, continues=False))
    assert back.T_odom_base[0, 3] == pytest.approx(2.0)
    assert np.sqrt(back.pose_covariance[0, 0]) > 200.0


# ---- a camera that shows nothing


def sightless(each: FramePair, image: np.ndarray) -> FramePair:
    frames = (CameraFrame(frame.stamp_ns, image) for frame in (each.previous, each.current))
    return FramePair(*frames, each.imu, each.continues)


@pytest.mark.parametrize('image', [np.zeros((8, 8, 1), np.uint8), picture_of_a_grid()], ids=['black', 'frozen'])
def test_without_sight_it_goes_on_as_before_turns_by_the_gyro_and_says_so(image):
    """What a network says of the way in such a pair is a guess; the rotation still stands on the gyro."""
    guess = translation(0.0, 0.0, 0.2) @ turn('y', -0.01)
    engine = OdometryEngine(Scripted(*[translation(0.0, 0.0, 1.0)] * 3, guess), LOOKING_FORWARD)
    seen, *unseen = stretch(13)[2:]
    first, second = stretch(13)[:2]
    for each in (first, second, seen):
        estimate = engine.process(each)
    assert estimate.warnings == ()
    spreads = [np.sqrt(estimate.pose_covariance[0, 0])]
    for each in unseen:
        estimate = engine.process(sightless(each, image))
        assert len(estimate.warnings) == 1
        assert 5.0 < estimate.linear_velocity[0] <= 10.0 + 1e-9
        assert estimate.angular_velocity[2] == pytest.approx(0.1)
        spreads.append(np.sqrt(estimate.pose_covariance[0, 0]))
    assert (np.diff(spreads) > 0.0).all()
    assert spreads[-1] > 0.9 * 9.0  # as if it had not moved for 0.9 s at 10 m/s: in proportion to the time
    assert np.sqrt(estimate.twist_covariance[0, 0]) >= 10.0


@pytest.fixture(scope='module')
def network() -> NetworkEstimator:
    torch.manual_seed(0)
    config = AtvioConfig(visual_widths=(4, 8, 16), lstm_hidden=8, image_height_px=32, image_width_px=64)
    return NetworkEstimator(Atvio(config), torch.device('cpu'), 'tiny', trained=False)


def picture(seed: int, channels: int = 3) -> CameraFrame:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 64, channels), dtype=np.uint8)
    return CameraFrame(START_NS + seed * 100 * MS, pixels)


def pictures(first: int, channels: int = 3, imu: float = 0.1, continues: bool = True) -> FramePair:
    stamps_ns = START_NS + first * 100 * MS + np.arange(11) * 10 * MS
    window = ImuWindow(stamps_ns, np.full((11, 6), imu))
    return FramePair(picture(first, channels), picture(first + 1, channels), window, continues)


def test_the_network_remembers_the_pairs_before_until_it_is_reset(network):
    network.reset()
    alone = network.predict(pictures(1)).T_previous_current
    network.reset()
    network.predict(pictures(0))
    after_another = network.predict(pictures(1)).T_previous_current
    network.reset()
    again = network.predict(pictures(1)).T_previous_current
    assert np.abs(alone - after_another).max() > 1e-6
    np.testing.assert_array_equal(alone, again)


def test_the_networks_answer_is_a_pose_with_the_attention_that_led_to_it(network):
    network.reset()
    motion = network.predict(pictures(0))
    R = motion.T_previous_current[:3, :3]
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    assert 0.0 < motion.attention_visual < 1.0
    assert 0.0 < motion.attention_inertial < 1.0


def test_warming_up_leaves_no_memory(network):
    network.reset()
    expected = network.predict(pictures(0)).T_previous_current
    network.reset()
    network.warm_up()
    np.testing.assert_array_equal(network.predict(pictures(0)).T_previous_current, expected)


def test_grey_images_are_taken_as_colour_images_without_colour(network):
    network.reset()
    grey = network.predict(pictures(0, channels=1)).T_previous_current
    network.reset()
    pairs = pictures(0, channels=1)
    coloured = [CameraFrame(f.stamp_ns, np.repeat(f.image, 3, axis=2)) for f in (pairs.previous, pairs.current)]
    same = network.predict(FramePair(*coloured, pairs.imu)).T_previous_current
    np.testing.assert_allclose(grey, same, atol=1e-6)


@pytest.mark.filterwarnings('ignore:overflow')
def test_absurd_imu_readings_cost_one_pair_and_not_the_rest_of_the_drive(network):
    engine = OdometryEngine(network, LOOKING_FORWARD)
    before = engine.process(pictures(0, continues=False))
    with pytest.raises(ModelError):
        engine.process(pictures(1, imu=1e300))
    after = engine.process(pictures(2))
    assert np.isfinite(after.T_odom_base).all()
    assert np.linalg.norm(after.T_odom_base[:3, 3] - before.T_odom_base[:3, 3]) < 10.0


def test_a_pair_without_readings_is_an_imu_error(network):
    empty = FramePair(picture(0), picture(1), ImuWindow(np.empty(0, np.int64), np.empty((0, 6))))
    with pytest.raises(ImuError):
        network.predict(empty)


def test_an_untrained_network_says_so_in_its_name(network):
    assert network.name.startswith('tiny (')
    assert 'UNTRAINED' in network.name


@pytest.mark.parametrize('name', ['gpu', '', 'mps', 'meta', 'xpu', 'vulkan', 'cpu:x'])
def test_a_device_that_is_not_supported_is_refused_with_those_that_are(name):
    with pytest.raises(ModelError, match='Use auto, cuda or cpu'):
        choose_device(name)


def test_cuda_is_refused_where_there_is_none_and_auto_takes_what_there_is():
    assert choose_device('cpu') == torch.device('cpu')
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    assert choose_device('auto').type == ('cuda' if gpus else 'cpu')
    with pytest.raises(ModelError, match='CUDA'):
        choose_device(f'cuda:{gpus}')
