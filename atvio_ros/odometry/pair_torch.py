"""A network of the paper in PyTorch, as the odometry runs it."""

from __future__ import annotations

import copy

import numpy as np
import torch

from atvio_ros.errors import ModelError
from atvio_ros.network.atvio import Atvio, LstmState
from atvio_ros.network.checkpoint import model_hash
from atvio_ros.odometry.networks import PairAnswer, Values
from atvio_ros.types import FloatArray, ImageArray


class TorchPairs:
    """See networks.PairNetwork."""

    def __init__(self, model: Atvio, device: torch.device | str = 'cpu') -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval()
        self.config = model.config
        self._state: LstmState | None = None

    @property
    def digest(self) -> str:
        """See networks.PairNetwork."""
        return model_hash(self.model)

    def on_robot(self, R_camera_base: FloatArray) -> TorchPairs:
        """See networks.PairNetwork."""
        made = TorchPairs(copy.deepcopy(self.model), self.device)
        made.model.motion.use_mounting(R_camera_base)  # type: ignore[operator]
        return made

    def reset(self) -> None:
        """See networks.PairNetwork."""
        self._state = None

    @torch.inference_mode()
    def motion(self, images: ImageArray, imu: Values, interval_s: float) -> PairAnswer:
        """See networks.PairNetwork."""
        pixels = np.ascontiguousarray(images.transpose(0, 3, 1, 2))  # (2, C, H, W)
        output = self.model(
            torch.from_numpy(pixels)[None].to(self.device),
            torch.from_numpy(imu)[None, None].to(self.device),
            torch.tensor([[interval_s]], device=self.device),
            self._state,
        )
        self._state = output.state
        return PairAnswer(output.motion[0, 0].cpu().numpy(), output.attention[0, 0].cpu().numpy())

    @torch.inference_mode()
    def warm_up(self) -> None:
        """See networks.PairNetwork."""
        config = self.config
        size = (1, 2, config.image_channels, config.image_height_px, config.image_width_px)
        images = torch.zeros(size, dtype=torch.uint8, device=self.device)
        self.model(images, torch.zeros(1, 1, 11, 6, device=self.device))


def choose_device(name: str) -> torch.device:
    """'auto', 'cpu', 'cuda' (or 'cuda:1'): auto is CUDA where there is one. Raises ModelError without the one named."""
    if name == 'auto':
        return torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    if name.startswith('cuda') and not torch.cuda.is_available():
        raise ModelError('device is cuda, but PyTorch finds no CUDA GPU here. Set device to auto or cpu.')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f'device {name!r} is unknown. Use auto, cuda or cpu.') from error
    if device.type not in ('cpu', 'cuda'):
        raise ModelError(f'device {name!r} is not supported. Use auto, cuda or cpu.')
    if device.type == 'cuda' and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f'device is {name}, but PyTorch finds {torch.cuda.device_count()} CUDA GPUs, counted from 0.'
            ' Choose one of these, or cpu.'
        )
    return device
