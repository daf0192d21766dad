"""Where the odometry begins, breaks off and goes on: resets, gaps, failures, stamps that jump."""

from __future__ import annotations

import numpy as np
import pytest
from samples.motions import LOOKING_FORWARD, one_pair, turn
from samples.streams import MS, START_NS, Scripted, pair, stretch

from atvio_ros.errors import ModelError, SettingsError
from atvio_ros.geometry import transform, translation
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.start import Start
from atvio_ros.types import FramePair


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
    first = one_pair(engine)
    one_pair(engine)
    before = estimator.resets
    engine.reset()
    assert estimator.resets == before + 1
    again = one_pair(engine)
    np.testing.assert_array_equal(again.T_odom_base, first.T_odom_base)
    np.testing.assert_array_equal(again.pose_covariance, first.pose_covariance)


def test_a_reset_to_a_pose_goes_on_from_there_with_the_covariance_given():
    engine = OdometryEngine(Scripted(translation(0.0, 0.0, 1.0)), LOOKING_FORWARD)
    one_pair(engine)
    facing_left = transform(turn('z', np.pi / 2)[:3, :3], np.array([5.0, 6.0, 7.0]))
    covariance = np.diag([1.0, 2.0, 3.0, 0.1, 0.2, 0.3])
    engine.reset(Start(facing_left, covariance))
    estimate = one_pair(engine)
    np.testing.assert_allclose(estimate.T_odom_base[:3, 3], [5.0, 7.0, 7.0], atol=1e-9)
    assert estimate.gap_s == 0.0
    assert estimate.pose_covariance[1, 1] == pytest.approx(2.0, abs=0.01)  # along the way, which yaw does not change
    assert estimate.pose_covariance[0, 0] == pytest.approx(1.0 + 0.3, abs=0.01)  # 1 m further on, yaw moves x
    assert np.linalg.eigvalsh(estimate.pose_covariance).min() > 0.0


@pytest.mark.parametrize(
    ('T', 'covariance'),
    [
        (np.full((4, 4), np.nan), np.zeros((6, 6))),
        (np.diag([1.0, 1.0, -1.0, 1.0]), np.zeros((6, 6))),
        (np.diag([2.0, 2.0, 2.0, 1.0]), np.zeros((6, 6))),
        (np.eye(3), np.zeros((6, 6))),
        (np.eye(4), -np.eye(6)),
        (np.eye(4), np.eye(3)),
    ],
)
def test_what_is_no_pose_or_no_covariance_is_refused_as_a_start(T, covariance):
    with pytest.raises(SettingsError):
        Start(T, covariance)


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


def test_a_motion_that_is_no_number_is_refused_and_leaves_the_pose_where_it_was():
    ahead, broken = translation(0.0, 0.0, 1.0), translation(0.0, np.nan, 1.0)
    estimator = Scripted(ahead, broken, ahead)
    engine = OdometryEngine(estimator, LOOKING_FORWARD)
    one_pair(engine)
    resets = estimator.resets
    with pytest.raises(ModelError, match='not finite'):
        one_pair(engine)
    assert estimator.resets > resets
    np.testing.assert_allclose(one_pair(engine).T_odom_base, translation(2.0, 0.0, 0.0), atol=1e-12)


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
