"""What a network consists of and costs: layers, output shapes, parameters, multiply-accumulate operations (MACs)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from atvio_ros.network.atvio import Atvio
from atvio_ros.preprocessing import IMU_SAMPLES

PARTS = ('visual_encoder', 'inertial_encoder', 'fusion', 'lstm', 'pose_head')
_LISTED = (nn.Conv1d, nn.Conv2d, nn.Linear, nn.LSTM, nn.BatchNorm2d, nn.MaxPool1d)


@dataclass(frozen=True)
class Layer:
    """One layer as it ran on one frame pair."""

    name: str
    kind: str
    output_shape: tuple[int, ...]
    parameters: int
    macs: int  # of convolutions, linear layers and LSTMs; everything else is small beside them


def layers(model: Atvio) -> list[Layer]:
    """Run one frame pair (B = T = 1) through `model` and list its layers in the order they ran."""
    found: list[Layer] = []

    def record(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
            result = output[0] if isinstance(output, tuple) else output
            found.append(
                Layer(name, type(module).__name__, tuple(result.shape), count_parameters(module), _macs(module, result))
            )

        return hook

    handles = [
        module.register_forward_hook(record(name))
        for name, module in model.named_modules()
        if isinstance(module, _LISTED)
    ]
    try:
        with torch.inference_mode():
            model(*blank_pair(model))
    finally:
        for handle in handles:
            handle.remove()
    return found


def blank_pair(model: Atvio) -> tuple[Tensor, Tensor]:
    """A black frame pair (1, 2, C, H, W) uint8 and its IMU block (1, 1, 11, 6) of zeros, on the model's device."""
    config, device = model.config, model.imu_mean.device
    size = (1, 2, config.image_channels, config.image_height_px, config.image_width_px)
    return torch.zeros(size, dtype=torch.uint8, device=device), torch.zeros(1, 1, IMU_SAMPLES, 6, device=device)


def count_parameters(module: nn.Module) -> int:
    """Number of weights, biases included."""
    return sum(parameter.numel() for parameter in module.parameters())


def describe(model: Atvio) -> dict[str, Any]:
    """The figures of `atvio describe --json`: variant, parameters by part, MACs of one frame pair, feature shape."""
    parts = {part: count_parameters(model.get_submodule(part)) for part in PARTS}
    return {
        'variant': model.config.name,
        'parameters': {'total': count_parameters(model), **parts},
        'macs': sum(layer.macs for layer in layers(model)),
        'feature_shape': list(model.config.feature_shape),
    }


def _macs(module: nn.Module, output: Tensor) -> int:
    if isinstance(module, (nn.Conv1d, nn.Conv2d)):
        return output.numel() * math.prod(module.kernel_size) * (module.in_channels // module.groups)
    if isinstance(module, nn.Linear):
        return output.numel() * module.in_features
    if isinstance(module, nn.LSTM):  # every step multiplies by every weight matrix once
        steps = output.shape[0] * output.shape[1]
        return steps * sum(weight.numel() for name, weight in module.named_parameters() if name.startswith('weight'))
    return 0
