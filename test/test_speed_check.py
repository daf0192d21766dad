"""A speed that changes more than the accelerometer feels is named; slopes, braking and noise are not."""

from __future__ import annotations

import numpy as np
import pytest
from samples.streams import MS, START_NS, Scripted, frame

from atvio_ros.geometry import translation
from atvio_ros.odometry.engine import OdometryEngine
from atvio_ros.odometry.readiness import coverage, road_remark, training_remark
from atvio_ros.odometry.speed_check import TOO_FAST, SpeedCheck
from atvio_ros.rig.rig import Rig
from atvio_ros.types import FramePair, ImuWindow
from atvio_ros.view.level import nominal_level
from atvio_ros.view.virtual_camera import KITTI_VIEW


def pairs(forces_x: np.ndarray) -> list[FramePair]:
    """10 Hz pairs whose accelerometer reads so much along x [m/s^2]."""
    frames = [frame(START_NS + k * 100 * MS) for k in range(len(forces_x) + 1)]
    made = []
    for k, force in enumerate(forces_x):
        stamps_ns = np.linspace(frames[k].stamp_ns, frames[k + 1].stamp_ns, 11).astype(np.int64)
        values = np.tile([0.0, 0.0, 0.0, force, 0.0, 9.81], (11, 1))
        made.append(FramePair(frames[k], frames[k + 1], ImuWindow(stamps_ns, values), continues=k > 0))
    return made


def said(speeds: np.ndarray, forces_x: np.ndarray) -> list[int]:
    """Indices of the pairs at which something is said."""
    check = SpeedCheck()
    found = [check.update(p, np.array([v, 0.0, 0.0])) for p, v in zip(pairs(forces_x), speeds, strict=True)]
    return [k for k, (_, words) in enumerate(found) if words]


def test_what_a_car_does_is_allowed():
    """Start, full braking, and a slope of 20 % on which the accelerometer feels gravity."""
    forces = np.concatenate((np.full(50, 4.0), np.zeros(30), np.full(25, -8.0), np.zeros(20)))
    speeds = np.cumsum(forces) / 10
    assert said(speeds, forces) == []
    assert said(speeds, forces + 1.95) == []


def test_noise_of_five_percent_at_motorway_speed_is_allowed():
    noise = np.random.default_rng(0).normal(0.0, 0.05, 600)
    assert said(35.0 * (1.0 + noise), np.zeros(600)) == []


def test_a_robot_that_stands_while_its_estimate_rises_to_forty_metres_a_second_is_named_once_a_second():
    speeds = np.concatenate((np.zeros(30), np.linspace(0.0, 41.0, 40), np.full(30, 41.0)))
    found = said(speeds, np.zeros(100))
    assert 30 < found[0] < 60
    assert min(np.diff(found)) >= 10


def test_odometry_says_so_and_is_less_certain():
    engine = OdometryEngine(Scripted(*[np.eye(4)] * 40, translation(4.0, 0.0, 0.0)), np.eye(4))
    estimates = [engine.process(p) for p in pairs(np.zeros(80))]
    words = [TOO_FAST in e.warnings for e in estimates]
    assert not any(words[:40])
    assert any(words[40:50])
    calm, wild = (np.sqrt(estimates[k].twist_covariance[1, 1]) for k in (30, 50))
    assert wild > calm + 20.0


@pytest.mark.parametrize(('height', 'words'), [(1.65, None), (1.0, None), (0.6, '0.60 m high'), (4.0, '4.00 m high')])
def test_a_robot_unlike_those_of_the_training_is_named(height, words):
    rig = Rig(camera=KITTI_VIEW.model, camera_height=height)
    remark = training_remark(rig, KITTI_VIEW, np.eye(3), 1.65)
    assert remark is None if words is None else words in (remark or '')


def test_a_camera_that_sees_half_of_the_view_is_named():
    narrow = KITTI_VIEW.cropped(100, 0, 208, 128).model
    rig = Rig(camera=narrow, camera_height=1.65)
    assert coverage(narrow, KITTI_VIEW, nominal_level(rig)) == pytest.approx(0.5, abs=0.02)
    assert '50 % of the view' in (training_remark(rig, KITTI_VIEW, np.eye(3), 1.65) or '')


def test_a_camera_that_sees_no_near_road_is_named():
    assert road_remark(Rig(camera=KITTI_VIEW.model, camera_height=1.65)) is None
    sky = KITTI_VIEW.cropped(0, 0, 416, 70).model  # what is left lies above or just below the horizon
    assert 'tilt the camera down' in (road_remark(Rig(camera=sky, camera_height=1.65)) or '')
