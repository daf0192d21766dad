"""Odometry while the camera shows nothing, and how little it costs to notice that."""

from __future__ import annotations

import numpy as np
import pytest
from samples.motions import LOOKING_FORWARD, turn
from samples.streams import MS, START_NS, Scripted, feed, frame, readings, stretch

from atvio_ros.geometry import translation
from atvio_ros.odometry import input_checks, standstill
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.frame_pairs import FramePairer
from atvio_ros.odometry.standstill import StandstillGate
from atvio_ros.types import CameraFrame, FramePair


def picture_of_a_grid() -> np.ndarray:
    return np.indices((8, 8)).sum(axis=0).astype(np.uint8)[:, :, None] * 16


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


def test_the_engine_and_its_gate_look_at_each_image_once(monkeypatch):
    """... though each is in two pairs: a histogram and a scaled copy of it are what costs time beside the network."""
    looked_at, scaled = [], []
    is_blank, view = input_checks.is_blank, standstill.view
    monkeypatch.setattr(input_checks, 'is_blank', lambda image: looked_at.append(id(image)) or is_blank(image))
    monkeypatch.setattr(standstill, 'view', lambda image: scaled.append(id(image)) or view(image))
    stamps_ns = [START_NS + k * 100 * MS for k in range(12)]
    frames = [frame(stamp_ns) for stamp_ns in stamps_ns]
    engine = OdometryEngine(Scripted(np.eye(4)), LOOKING_FORWARD, standstill=StandstillGate())
    for pair in feed(FramePairer(), [*readings(stamps_ns[0], stamps_ns[-1]), *frames]):
        engine.process(pair)
    assert looked_at == scaled == [id(each.image) for each in frames]
