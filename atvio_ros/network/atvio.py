"""ATVIO: images and IMU in, the camera's relative motion out (Liu, Li, Li, "ATVIO", ICASSP 2021)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.fusion import make_fusion
from atvio_ros.network.image_input import ImageInput
from atvio_ros.network.inertial_encoder import make_inertial_encoder
from atvio_ros.network.lstm import Lstm
from atvio_ros.network.lstm import LstmState as LstmState
from atvio_ros.network.pose_head import make_motion, make_pose_head
from atvio_ros.network.visual_encoder import make_visual_encoder


class AtvioOutput(NamedTuple):
    """What one forward pass returns."""

    motion: Tensor  # (B, T, 6) as geometry.encode_motion: x y z [m], roll pitch yaw [rad], optical camera frame
    state: LstmState  # (hidden, cell), each (layers, B, H); hand it to the next call to go on with the same drive
    attention: Tensor  # (B, T, 2) mean channel weight on vision and on inertia; nan where the fusion has none


class Atvio(nn.Module):
    """The network, every variant of it. Input and output scaling are inside, so callers see SI units only."""

    imu_mean: Tensor
    imu_std: Tensor

    def __init__(self, config: AtvioConfig) -> None:
        super().__init__()
        channels, height, width = config.feature_shape
        fused_features = (channels + config.inertial_channels) * height * width
        self.config = config
        self.image_input = ImageInput(config)
        self.visual_encoder = make_visual_encoder(config)
        self.visual_encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the fastest order
        self.inertial_encoder = make_inertial_encoder(config)
        self.fusion = make_fusion(config)
        self.lstm = Lstm(fused_features, config.lstm_hidden, config.lstm_layers)
        self.pose_head = make_pose_head(config)
        self.motion = make_motion(config)
        self.register_buffer('imu_mean', torch.tensor(config.imu_mean), persistent=False)
        self.register_buffer('imu_std', torch.tensor(config.imu_std), persistent=False)

    def forward(
        self, images: Tensor, imu: Tensor, interval_s: Tensor | None = None, state: LstmState | None = None
    ) -> AtvioOutput:
        """Relative motion of each neighbouring image pair of a window.

        Images (B, T + 1, C, H, W), C = 1 or 3, uint8 or float in [0, 1]; IMU (B, T, 11, 6) wx wy wz [rad/s],
        ax ay az [m/s^2], as preprocessing.resample_imu gives it; interval_s (B, T) time between the images [s], used
        by gyro_residual only. Without `state` the LSTM starts afresh. A drive fed pair by pair (T = 1) with the state
        handed on gives what one long window gives.
        """
        B, T = imu.shape[:2]
        if interval_s is None:
            interval_s = imu.new_full((B, T), self.config.nominal_interval_s)
        frames = self.image_input(images)  # (B, T + 1, C, H, W)
        pairs = torch.cat((frames[:, :-1], frames[:, 1:]), dim=2)  # (B, T, 2 C, H, W)
        readings = (imu - self.imu_mean) / self.imu_std  # (B, T, 11, 6)

        visual = self.visual_encoder(pairs.flatten(0, 1))  # (B*T, C1, 4, 13)
        inertial = self.inertial_encoder(readings.flatten(0, 1))  # (B*T, 128, 4, 13)
        fused, weights = self.fusion(visual, inertial)  # (B*T, C1 + 128, 4, 13), (B*T, C1 + 128)
        memory, state = self.lstm(fused.reshape(B, T, -1), state)  # (B, T, 128)
        pose = self.pose_head(memory, visual.reshape(B, T, -1), readings)  # (B, T, 6) of order one
        motion = self.motion(pose, imu, interval_s)  # (B, T, 6) [m, rad]
        return AtvioOutput(motion, state, self._mean_attention(weights, imu))

    def _mean_attention(self, weights: Tensor | None, imu: Tensor) -> Tensor:
        B, T = imu.shape[:2]
        if weights is None:
            return imu.new_full((B, T, 2), float('nan'))
        channels = self.config.feature_shape[0]
        visual, inertial = weights[:, :channels].detach(), weights[:, channels:].detach()  # (B*T, C1), (B*T, C2)
        return torch.stack((visual.mean(dim=1), inertial.mean(dim=1)), dim=-1).view(B, T, 2)
