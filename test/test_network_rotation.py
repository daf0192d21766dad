"""Rotations in torch agree with scipy and atvio_ros.geometry; the gyro variant obeys the kinematics of rotation."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from atvio_ros.geometry import R_BODY_OPTICAL, decode_motion, encode_motion, transform
from atvio_ros.network import so3
from atvio_ros.network.atvio import Atvio
from atvio_ros.network.config import variant
from atvio_ros.network.pose_head import GyroResidualMotion, integrate_gyro

VECTORS = np.concatenate(
    (np.zeros((1, 3)), *(np.random.default_rng(0).normal(size=(20, 3)) * size for size in (1e-9, 1e-4, 1e-2, 0.5)))
)


def test_exp_and_log_are_scipys_and_inverses():
    R = so3.exp(torch.from_numpy(VECTORS))
    np.testing.assert_allclose(R.numpy(), Rotation.from_rotvec(VECTORS).as_matrix(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(so3.log(R).numpy(), VECTORS, rtol=1e-7, atol=1e-15)


def test_euler_angles_are_those_of_encode_motion():
    angles = VECTORS[np.abs(VECTORS).max(axis=1) < 1.5]
    motion = np.concatenate((np.zeros_like(angles), angles), axis=1)
    R = so3.matrix_from_euler(torch.from_numpy(angles))
    np.testing.assert_allclose(R.numpy(), decode_motion(motion)[:, :3, :3], rtol=0, atol=1e-14)
    T = np.stack([transform(matrix, np.zeros(3)) for matrix in R.numpy()])
    np.testing.assert_allclose(so3.euler_from_matrix(R).numpy(), encode_motion(T)[:, 3:], rtol=0, atol=1e-14)


@pytest.mark.parametrize('size', [0.0, 1e-6, 5e-3, 1e-2, 0.1, 1.0])
def test_gradients_are_right_for_rotations_of_any_size(size):
    direction = torch.tensor([[0.3, -0.7, 0.648]], dtype=torch.float64)
    vector = (direction * size).requires_grad_()
    assert torch.autograd.gradcheck(so3.exp, vector, atol=1e-6)
    assert torch.autograd.gradcheck(lambda v: so3.log(so3.exp(v)), vector, atol=1e-6)
    assert torch.autograd.gradcheck(lambda v: so3.euler_from_matrix(so3.matrix_from_euler(v)), vector, atol=1e-6)


def test_a_constant_rate_integrates_to_its_angle():
    rate = torch.tensor([0.2, -0.4, 0.6], dtype=torch.float64).expand(11, 3)
    R = integrate_gyro(rate, torch.tensor(0.104, dtype=torch.float64))
    np.testing.assert_allclose(so3.log(R).numpy(), [0.0208, -0.0416, 0.0624], atol=1e-12)


def test_integration_follows_a_turning_axis_to_second_order():
    """A rate whose axis turns: halving the step must quarter the error against a fine integration."""

    def integrated(samples):
        t = torch.linspace(0.0, 1.0, samples, dtype=torch.float64)
        rate = torch.stack((torch.sin(3 * t), torch.cos(3 * t), t), dim=-1)
        return integrate_gyro(rate, torch.tensor(1.0, dtype=torch.float64))

    exact = integrated(4001)
    coarse, fine = (so3.log(exact.mT @ integrated(n)).norm().item() for n in (11, 21))
    assert coarse < 0.01
    assert coarse / fine == pytest.approx(4.0, rel=0.1)


def test_without_correction_the_gyro_variant_returns_the_gyros_rotation_in_the_camera():
    """A left turn of the body (about z up) is a rotation about the camera's -y (y down)."""
    motion = GyroResidualMotion(variant('ca_a_gyro'))
    imu = torch.zeros(1, 2, 11, 6)
    imu[..., 2] = 0.5
    interval_s = torch.tensor([[0.1, 0.2]])
    result = motion(torch.zeros(1, 2, 6), imu, interval_s)
    expected = [[0, 0, 0, 0, -0.05, 0], [0, 0, 0, 0, -0.1, 0]]
    torch.testing.assert_close(result[0], torch.tensor(expected, dtype=torch.float32), rtol=0, atol=1e-6)


def test_stored_bias_mounting_and_correction_enter_as_rotations():
    mounting = Rotation.from_rotvec([0.01, -0.02, 0.03])
    R_camera_imu = mounting.as_matrix() @ R_BODY_OPTICAL.T
    bias = (0.001, -0.002, 0.003)
    config = dataclasses.replace(
        variant('ca_a_gyro'), gyro_bias=bias, R_camera_imu=tuple(map(tuple, R_camera_imu.tolist()))
    )
    rate = np.array([0.1, 0.2, -0.3])
    imu = torch.zeros(1, 1, 11, 6)
    imu[..., :3] = torch.from_numpy(rate)
    pose = torch.tensor([[[0.0, 0.0, 1.0, 1.0, -2.0, 3.0]]])
    result = GyroResidualMotion(config)(pose, imu, torch.tensor([[0.1]]))[0, 0]
    R_imu = Rotation.from_rotvec((rate - bias) * 0.1).as_matrix()
    correction = Rotation.from_rotvec(np.array([1.0, -2.0, 3.0]) * config.residual_std).as_matrix()
    T = transform(R_camera_imu @ R_imu @ R_camera_imu.T @ correction, np.array([0.0, 0.0, config.motion_std[2]]))
    np.testing.assert_allclose(result.numpy(), encode_motion(T), rtol=0, atol=1e-6)


def test_the_interval_reaches_the_integration_through_the_whole_network():
    """With the correction's weights at zero, twice the interval is twice the angle."""
    torch.manual_seed(0)
    model = Atvio(dataclasses.replace(variant('ca_a_gyro'), visual_widths=(4, 4, 4, 4, 4))).eval()
    torch.nn.init.zeros_(model.pose_head.fc.weight)
    torch.nn.init.zeros_(model.pose_head.fc.bias)
    images = torch.zeros(1, 2, 1, 128, 416, dtype=torch.uint8)
    imu = torch.zeros(1, 1, 11, 6)
    imu[..., 1] = 0.2
    with torch.inference_mode():
        angles = [model(images, imu, torch.tensor([[s]])).motion[0, 0, 3:].norm().item() for s in (0.1, 0.2)]
        assumed = model(images, imu).motion[0, 0, 3:].norm().item()
    assert angles == pytest.approx([0.02, 0.04], abs=1e-6)
    assert assumed == pytest.approx(0.2 * model.config.nominal_interval_s, abs=1e-6)


def test_the_skip_head_reaches_the_pose_past_the_lstm():
    torch.manual_seed(0)
    config = dataclasses.replace(variant('ca_a_gyro'), visual_widths=(4, 4, 4, 4, 4), skip_head=True)
    model = Atvio(config).train()
    torch.nn.init.zeros_(model.pose_head.fc.weight)  # closes the way through the LSTM
    images = torch.rand(2, 2, 3, 128, 416)
    motion = model(images, torch.randn(2, 1, 11, 6)).motion
    motion[..., :3].sum().backward()
    assert next(model.visual_encoder.parameters()).grad.abs().max() > 0
    assert model.lstm.from_input[0].weight.grad.abs().max() == 0
