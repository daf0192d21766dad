"""Rigid motions follow p_a = T_a_b @ p_b, REP 103's axes, and the maths of SE(3)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from atvio_ros import geometry
from atvio_ros.geometry import (
    R_BODY_OPTICAL,
    compose,
    decode_motion,
    encode_motion,
    from_quaternion,
    from_quaternions,
    inverse,
    logarithm,
    nearest_rotation,
    quaternion,
    relative_poses,
    rotation_angle,
    skew,
    transform,
    translation,
)

RNG = np.random.default_rng(5)
METRES = st.floats(-1e3, 1e3)


def vectors(bound: float):
    return st.tuples(*[st.floats(-bound, bound)] * 3).map(np.array)


def random_poses(count: int) -> np.ndarray:
    return np.stack([transform(Rotation.random(random_state=i).as_matrix(), RNG.normal(size=3)) for i in range(count)])


def twist_matrix(twist: np.ndarray) -> np.ndarray:
    """(4, 4) of se(3), whose matrix exponential is the pose after one second of that twist."""
    matrix = np.zeros((4, 4))
    matrix[:3, :3] = skew(twist[3:])
    matrix[:3, 3] = twist[:3]
    return matrix


@pytest.mark.parametrize(
    ('optical', 'body'),
    [((0, 0, 1), (1, 0, 0)), ((1, 0, 0), (0, -1, 0)), ((0, 1, 0), (0, 0, -1))],
    ids=['forward', 'right', 'down'],
)
def test_optical_axes_seen_from_the_body_are_those_of_rep_103(optical, body):
    np.testing.assert_array_equal(R_BODY_OPTICAL @ optical, body)


def test_a_pose_takes_points_of_the_second_frame_to_the_first():
    quarter_left = Rotation.from_euler('z', 90, degrees=True).as_matrix()
    T_a_b = transform(quarter_left, np.array([10.0, 0.0, 0.0]))
    np.testing.assert_allclose(T_a_b @ [1.0, 0.0, 0.0, 1.0], [10.0, 1.0, 0.0, 1.0], atol=1e-12)
    np.testing.assert_array_equal(translation(1.0, 2.0, 3.0) @ [0, 0, 0, 1], [1, 2, 3, 1])


def test_inverse_undoes_single_poses_and_stacks():
    poses = random_poses(6).reshape(2, 3, 4, 4)
    np.testing.assert_allclose(inverse(poses) @ poses, np.broadcast_to(np.eye(4), poses.shape), atol=1e-12)
    np.testing.assert_array_equal(inverse(poses)[1, 2], inverse(poses[1, 2]))


def test_composing_relative_poses_gives_the_trajectory_back():
    poses = random_poses(7)
    np.testing.assert_allclose(compose(relative_poses(poses), start=poses[0]), poses, atol=1e-12)
    np.testing.assert_allclose(compose(relative_poses(poses)), inverse(poses[0]) @ poses, atol=1e-12)
    np.testing.assert_array_equal(compose(np.empty((0, 4, 4))), np.eye(4)[None])


def test_a_relative_pose_is_the_second_as_seen_from_the_first():
    ahead = relative_poses(np.stack([translation(5.0, 0.0, 0.0), translation(6.0, 0.0, 0.0)]))
    np.testing.assert_array_equal(ahead, translation(1.0, 0.0, 0.0)[None])


@settings(max_examples=60, deadline=None)
@given(vectors(1e3), st.floats(-np.pi, np.pi), st.floats(-1.57, 1.57), st.floats(-np.pi, np.pi))
def test_encode_and_decode_are_inverses(t, roll, pitch, yaw):
    T = decode_motion(np.array([*t, roll, pitch, yaw]))
    vector = encode_motion(T)
    np.testing.assert_allclose(decode_motion(vector), T, atol=1e-9)
    np.testing.assert_array_equal(vector[:3], t)
    assert abs(vector[4]) <= np.pi / 2


def test_the_angles_of_a_motion_are_those_of_rz_ry_rx():
    roll, pitch, yaw = 0.3, -0.4, 2.0
    Rx, Ry, Rz = (
        expm(angle * skew(np.array(axis)))
        for axis, angle in (((1.0, 0, 0), roll), ((0, 1.0, 0), pitch), ((0, 0, 1.0), yaw))
    )
    vector = encode_motion(transform(Rz @ Ry @ Rx, np.zeros(3)))
    np.testing.assert_allclose(vector, [0, 0, 0, roll, pitch, yaw], atol=1e-12)


def test_motions_are_encoded_in_any_batch_shape():
    poses = random_poses(6)
    vectors = encode_motion(poses.reshape(2, 3, 4, 4))
    assert vectors.shape == (2, 3, 6)
    np.testing.assert_array_equal(vectors[1, 1], encode_motion(poses[4]))
    np.testing.assert_allclose(decode_motion(vectors).reshape(6, 4, 4), poses, atol=1e-12)


@pytest.mark.parametrize('angle', [0.0, 1e-9, 1e-4, 0.5, 3.0])
def test_the_angle_of_a_small_rotation_is_as_exact_as_that_of_a_large_one(angle):
    axis = np.array([2.0, -1.0, 2.0]) / 3.0
    R = Rotation.from_rotvec(angle * axis).as_matrix()
    assert rotation_angle(R) == pytest.approx(angle, rel=1e-6, abs=1e-15)
    assert rotation_angle(np.stack([R, R.T])[None]).shape == (1, 2)


@settings(max_examples=60, deadline=None)
@given(vectors(50.0), vectors(1.7))
def test_the_logarithm_is_the_constant_twist_that_produces_the_pose(v, w):
    twist = np.concatenate((v, w))
    np.testing.assert_allclose(logarithm(expm(twist_matrix(twist))), twist, atol=1e-7)


@pytest.mark.parametrize('angle', [0.0, 1e-12, 9.9e-5, 1.01e-4])
def test_the_logarithm_of_tiny_rotations_is_finite_and_smooth(angle):
    twist = np.array([3.0, -2.0, 1.0, 0.0, 0.0, angle])
    np.testing.assert_allclose(logarithm(expm(twist_matrix(twist))), twist, atol=1e-9)


def test_skew_is_the_cross_product():
    a, b = RNG.normal(size=3), RNG.normal(size=3)
    np.testing.assert_allclose(skew(a) @ b, np.cross(a, b), atol=1e-14)


def test_quaternions_have_the_order_of_geometry_msgs():
    left = Rotation.from_euler('z', 90, degrees=True).as_matrix()
    half = np.sqrt(0.5)
    np.testing.assert_allclose(quaternion(left), [0.0, 0.0, half, half], atol=1e-12)
    np.testing.assert_allclose(from_quaternion(0.0, 0.0, half, half) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    R = Rotation.random(random_state=3).as_matrix()
    np.testing.assert_allclose(from_quaternion(*quaternion(R)), R, atol=1e-12)


def test_a_rotation_printed_with_few_digits_becomes_a_rotation_again():
    R = Rotation.random(12, random_state=1).as_matrix()
    repaired = nearest_rotation(R.round(3).reshape(3, 4, 3, 3)).reshape(12, 3, 3)
    np.testing.assert_allclose(repaired @ np.swapaxes(repaired, 1, 2), np.broadcast_to(np.eye(3), R.shape), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(repaired), 1.0)
    np.testing.assert_allclose(repaired, R, atol=2e-3)
    np.testing.assert_allclose(nearest_rotation(R), R, atol=1e-12)


def test_a_mirror_image_becomes_a_rotation_and_not_a_mirror_image():
    assert np.linalg.det(geometry.nearest_rotation(np.diag([1.0, 1.0, -0.9]))) == pytest.approx(1.0)


@pytest.mark.parametrize('angle', [0.0, 1e-9, 1e-5, 3e-4, 0.02, 1.0, 2.5, np.pi - 1e-7])
def test_single_rotations_are_those_of_scipy(angle):
    vector = angle * np.array([0.48, -0.6, 0.64])
    R = Rotation.from_rotvec(vector).as_matrix()
    assert np.abs(geometry.rotations(vector) - R).max() < 1e-15
    assert geometry.rotation_vector(R) == pytest.approx(vector, rel=1e-7, abs=1e-16)
    assert np.abs(geometry.rotations(np.stack((vector, vector)))[1] - geometry.rotations(vector)).max() < 1e-15


@pytest.mark.parametrize('axis', [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 2, 3), (-3, 1, -2)])
@pytest.mark.parametrize('angle', [0.0, 1e-9, 0.3, 2.0, np.pi - 1e-6, np.pi])
def test_the_quaternion_of_one_rotation_is_scipys_and_leads_back(axis, angle):
    R = Rotation.from_rotvec(angle * np.array(axis) / np.linalg.norm(axis)).as_matrix()
    q = quaternion(R)
    np.testing.assert_allclose(q, quaternion(R[None])[0], atol=1e-12)
    np.testing.assert_allclose(from_quaternion(*q), R, atol=1e-12)
    np.testing.assert_allclose(from_quaternion(*(-7.0 * q)), R, atol=1e-12)


def test_a_quaternion_of_zeros_is_refused():
    with pytest.raises(ValueError, match='zeros'):
        from_quaternion(0.0, 0.0, 0.0, 0.0)


def test_angles_of_a_motion_are_about_z_then_y_then_x():
    angles = RNG.uniform(-1.5, 1.5, size=(4, 3))
    T = decode_motion(np.concatenate((np.zeros((4, 3)), angles), axis=1))
    np.testing.assert_allclose(T[:, :3, :3], Rotation.from_euler('ZYX', angles[:, ::-1]).as_matrix(), atol=1e-12)


def test_stacks_of_rotations_are_those_of_scipy():
    given = np.concatenate((Rotation.random(50, random_state=1).as_matrix(), np.eye(3)[None]))
    given = np.concatenate((given, Rotation.from_euler('xyz', np.pi * np.eye(3)).as_matrix()))  # half turns
    expected = Rotation.from_matrix(given)
    np.testing.assert_allclose(rotation_angle(given), expected.magnitude(), atol=1e-12)
    q = quaternion(given)
    np.testing.assert_allclose(np.abs((q * expected.as_quat()).sum(axis=1)), 1.0, atol=1e-12)
    np.testing.assert_allclose(from_quaternions(2.0 * q), given, atol=1e-12)
    printed = np.round(given, 6)  # with few digits: the nearest rotations
    np.testing.assert_array_equal(rotation_angle(printed), Rotation.from_matrix(printed).magnitude())
