"""IMU readings between two images -> feature maps of the visual encoder's height and width (ATVIO section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from atvio_ros.network.config import INERTIAL_CHANNELS, AtvioConfig


class Conv1dInertialEncoder(nn.Module):
    """Two convolutions and a max-pool over time, gyroscope and accelerometer apart (Fig. 2); 101,120 weights."""

    def __init__(self, size: tuple[int, int], interpolation: str) -> None:
        super().__init__()
        self.gyroscope = _sensor_encoder()
        self.accelerometer = _sensor_encoder()
        self.size = size
        self.interpolation = interpolation

    def forward(self, imu: Tensor) -> Tensor:
        """(N, 11, 6), gyroscope first -> (N, 128, h, w)."""
        gyroscope, accelerometer = torch.split(imu.transpose(1, 2), 3, dim=1)  # 2 x (N, 3, 11)
        features = torch.cat((self.gyroscope(gyroscope), self.accelerometer(accelerometer)), dim=1)  # (N, 256, 7)
        maps = features.view(
            -1, INERTIAL_CHANNELS, 2, features.shape[2]
        )  # (N, 128, 2, 7): the first 64 are the gyroscope's
        return interpolate(maps, self.size, mode=self.interpolation)  # (N, 128, h, w)


class LstmInertialEncoder(nn.Module):
    """The LSTM-VONAS row of the ablation: two LSTM layers over the readings, the last state spread to feature maps."""

    def __init__(self, size: tuple[int, int], hidden: int = 256) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, hidden, num_layers=2, batch_first=True)
        self.fc = nn.Linear(hidden, INERTIAL_CHANNELS * size[0] * size[1])
        self.size = size

    def forward(self, imu: Tensor) -> Tensor:
        """(N, 11, 6) -> (N, 128, h, w)."""
        memory, _ = self.lstm(imu)  # (N, 11, 256)
        maps: Tensor = self.fc(memory[:, -1])  # (N, 128 * h * w)
        return maps.view(-1, INERTIAL_CHANNELS, *self.size)  # (N, 128, h, w)


class NoInertialEncoder(nn.Module):
    """Zero channels: the VONAS-A row, images only, runs through the same forward pass."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, imu: Tensor) -> Tensor:
        """(N, 11, 6) -> (N, 0, h, w)."""
        return imu.new_zeros(imu.shape[0], 0, *self.size)


def make_inertial_encoder(config: AtvioConfig) -> nn.Module:
    """The inertial encoder that `config` names."""
    size = config.feature_shape[1:]
    if config.inertial_encoder == 'conv1d':
        return Conv1dInertialEncoder(size, config.interpolation)
    if config.inertial_encoder == 'lstm':
        return LstmInertialEncoder(size)
    return NoInertialEncoder(size)


def _sensor_encoder() -> nn.Sequential:
    # No padding in the convolutions: 11 -> 9 -> 7, and the pool keeps 7, as labelled in Fig. 2.
    return nn.Sequential(
        nn.Conv1d(3, INERTIAL_CHANNELS, kernel_size=3),
        nn.ReLU(),
        nn.Conv1d(INERTIAL_CHANNELS, INERTIAL_CHANNELS, kernel_size=3),
        nn.ReLU(),
        nn.MaxPool1d(kernel_size=3, stride=1, padding=1),
    )
