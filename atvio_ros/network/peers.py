"""Visual encoders of other networks for odometry, to compare speeds with. Nothing here is trained or shipped.

Both take two stacked images (N, 6, H, W) and end before the fully connected layers and the LSTM that follow elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from atvio_ros.network.visual_encoder import Residual

_CHANNELS = 6  # two colour images
# Output channels, kernel, stride of FlowNetS's contracting part (Dosovitskiy et al., ICCV 2015), conv1 to conv6, as
# DeepVO (Wang et al., ICRA 2017) and Visual-Selective-VIO (Yang et al., ECCV 2022) take it.
_FLOWNET_S = (
    (64, 7, 2),
    (128, 5, 2),
    (256, 5, 2),
    (256, 3, 1),
    (512, 3, 2),
    (512, 3, 1),
    (512, 3, 2),
    (512, 3, 1),
    (1024, 3, 2),
)
_RESNET_18 = ((64, 1), (128, 2), (256, 2), (512, 2))  # channels and first stride of its stages of two blocks


def flownet_s() -> nn.Sequential:
    """FlowNetS's encoder with batch norms, as Visual-Selective-VIO has it: (N, 6, H, W) -> (N, 1024, H/64, W/64)."""
    layers: list[nn.Module] = []
    inputs = _CHANNELS
    for outputs, kernel, stride in _FLOWNET_S:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.1, inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers)


def resnet18() -> nn.Sequential:
    """ResNet-18 (He et al., CVPR 2016) up to its last maps: (N, 6, H, W) -> (N, 512, H/32, W/32)."""
    layers: list[nn.Module] = [
        nn.Conv2d(_CHANNELS, 64, 7, 2, padding=3, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, padding=1),
    ]
    inputs = 64
    for outputs, stride in _RESNET_18:
        first, second = Residual(inputs, outputs, stride), Residual(outputs, outputs)
        if stride == 1 and inputs == outputs:
            first.shortcut = nn.Sequential()
        second.shortcut = nn.Sequential()
        layers += [first, second]
        inputs = outputs
    return nn.Sequential(*layers)


def count_macs(work: Callable[[], Tensor | object]) -> int:
    """Multiply-accumulate operations of the convolutions and matrix products of a call."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops()) // 2
