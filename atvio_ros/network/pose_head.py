"""From the LSTM's memory to the relative pose: the last layer, and how its output becomes metres and radians."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn

from atvio_ros.network import so3
from atvio_ros.network.config import AtvioConfig
from atvio_ros.preprocessing import IMU_SAMPLES
from atvio_ros.types import FloatArray


class PoseHead(nn.Module):
    """The paper's: one fully connected layer on the LSTM's memory (section 2.4)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.fc = nn.Linear(hidden, 6)

    def forward(self, memory: Tensor, visual: Tensor, imu: Tensor) -> Tensor:
        """Memory (B, T, H) -> (B, T, 6) of order one; the encoders' inputs and features are not looked at."""
        pose: Tensor = self.fc(memory)
        return pose


class SkipPoseHead(nn.Module):
    """Beyond the paper: past the LSTM, translation also sees the visual features and rotation the IMU window."""

    def __init__(self, hidden: int, visual_features: int) -> None:
        super().__init__()
        self.fc = nn.Linear(hidden, 6)
        self.translation = nn.Sequential(nn.Linear(visual_features, hidden), nn.ReLU(), nn.Linear(hidden, 3))
        self.rotation = nn.Linear(IMU_SAMPLES * 6, 3)
        nn.init.zeros_(self.rotation.weight)  # start from the output of the LSTM

    def forward(self, memory: Tensor, visual: Tensor, imu: Tensor) -> Tensor:
        """Memory (B, T, H), visual features (B, T, F), normalised IMU (B, T, 11, 6) -> (B, T, 6)."""
        skipped = torch.cat((self.translation(visual), self.rotation(imu.flatten(2))), dim=-1)  # (B, T, 6)
        pose: Tensor = self.fc(memory) + skipped
        return pose


class ScaledMotion(nn.Module):
    """The head's output times the spread of real motions."""

    def __init__(self, config: AtvioConfig) -> None:
        super().__init__()
        self.register_buffer('scale', torch.tensor(config.motion_std), persistent=False)

    scale: Tensor

    def forward(self, pose: Tensor, imu: Tensor, interval_s: Tensor) -> Tensor:
        """(B, T, 6) of order one -> (B, T, 6) x y z [m], roll pitch yaw [rad]."""
        return pose * self.scale

    def use_mounting(self, R_camera_base: FloatArray) -> None:
        """Nothing: the rotation is the network's own."""


class GyroResidualMotion(nn.Module):
    """The paper's translation; rotation is the gyro's, pre-integrated over the frame pair, times a small correction."""

    def __init__(self, config: AtvioConfig) -> None:
        super().__init__()
        scale = torch.tensor((*config.motion_std[:3], *config.residual_std))
        self.register_buffer('scale', scale, persistent=False)
        self.register_buffer('gyro_bias', torch.tensor(config.gyro_bias), persistent=False)
        self.register_buffer('R_camera_imu', torch.tensor(config.R_camera_imu), persistent=False)

    scale: Tensor
    gyro_bias: Tensor
    R_camera_imu: Tensor

    def forward(self, pose: Tensor, imu: Tensor, interval_s: Tensor) -> Tensor:
        """(B, T, 6) of order one, IMU (B, T, 11, 6) [rad/s first], interval (B, T) -> (B, T, 6) [m, rad]."""
        translation, correction = torch.split(pose.float() * self.scale, 3, dim=-1)
        R_imu = integrate_gyro(imu[..., :3].float() - self.gyro_bias, interval_s)  # (B, T, 3, 3)
        R_camera = self.R_camera_imu @ R_imu @ self.R_camera_imu.transpose(0, 1)
        return torch.cat((translation, so3.euler_from_matrix(R_camera @ so3.exp(correction))), dim=-1)

    def use_mounting(self, R_camera_base: FloatArray) -> None:
        """Take the mounting (3, 3) of another robot, whose readings come in base axes and without bias."""
        self.R_camera_imu = torch.from_numpy(R_camera_base.astype(np.float32)).to(self.R_camera_imu.device)
        self.gyro_bias = torch.zeros_like(self.gyro_bias)


def integrate_gyro(angular_velocity: Tensor, interval_s: Tensor) -> Tensor:
    """Rotation over an interval on SO(3), by the midpoint rule between evenly spaced readings.

    Angular velocity (..., N, 3) [rad/s], interval (...) [s] -> R_previous_current (..., 3, 3), in the gyro's frame.
    """
    midpoints = 0.5 * (angular_velocity[..., 1:, :] + angular_velocity[..., :-1, :])  # (..., N - 1, 3)
    step_s = interval_s[..., None, None] / midpoints.shape[-2]
    return functools.reduce(torch.matmul, so3.exp(midpoints * step_s).unbind(dim=-3))


def make_pose_head(config: AtvioConfig) -> nn.Module:
    """The pose head that `config` names."""
    if config.skip_head:
        channels, height, width = config.feature_shape
        return SkipPoseHead(config.lstm_hidden, channels * height * width)
    return PoseHead(config.lstm_hidden)


def make_motion(config: AtvioConfig) -> nn.Module:
    """The last step, from the head's output to metres and radians."""
    return GyroResidualMotion(config) if config.rotation == 'gyro_residual' else ScaledMotion(config)
