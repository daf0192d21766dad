"""Two stacked images -> feature maps at a 32nd of their size.

A substitute: the paper takes the first two modules of VONAS-A, whose layers are not public. Three light families with
large first kernels; docs/paper.md and benchmarks/encoder_choice.py compare them.
"""

from __future__ import annotations

from torch import Tensor, nn

from atvio_ros.network.config import AtvioConfig

_STEM_KERNELS = (7, 5)  # of the first halvings, where motion is still many pixels; 3 afterwards
_STEM_STAGES = len(_STEM_KERNELS)


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(*_conv(inputs, outputs, 3, stride), *_conv(outputs, outputs, 3)[:-1])
        self.shortcut = nn.Sequential(*_conv(inputs, outputs, 1, stride)[:-1])
        self.relu = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        out: Tensor = self.relu(self.body(maps) + self.shortcut(maps))
        return out


class InvertedResidual(nn.Module):
    """Widen, filter each channel by itself, narrow (Sandler et al., CVPR 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, expansion: int = 3, kernel: int = 5) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.body = nn.Sequential(
            *_conv(inputs, hidden, 1),
            *_conv(hidden, hidden, kernel, stride, groups=hidden),
            *_conv(hidden, outputs, 1)[:-1],
        )
        self.has_shortcut = stride == 1 and inputs == outputs

    def forward(self, maps: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        out: Tensor = self.body(maps)
        return maps + out if self.has_shortcut else out


def make_visual_encoder(config: AtvioConfig) -> nn.Sequential:
    """The encoder that `config` names: (N, 2 C, H, W) -> (N, C1, H / 32, W / 32)."""
    layers: list[nn.Module] = []
    inputs = 2 * config.image_channels
    for i, outputs in enumerate(config.visual_widths):
        layers += _STAGES[config.visual_encoder](i, inputs, outputs)
        inputs = outputs
    return nn.Sequential(*layers)


def _plain_stage(i: int, inputs: int, outputs: int) -> list[nn.Module]:
    if i < _STEM_STAGES:
        return _conv(inputs, outputs, _STEM_KERNELS[i], stride=2)
    return [*_conv(inputs, outputs, 3, stride=2), *_conv(outputs, outputs, 3)]


def _residual_stage(i: int, inputs: int, outputs: int) -> list[nn.Module]:
    if i < _STEM_STAGES:
        return _conv(inputs, outputs, _STEM_KERNELS[i], stride=2)
    return [Residual(inputs, outputs, stride=2)]


def _mobile_stage(i: int, inputs: int, outputs: int) -> list[nn.Module]:
    if i == 0:
        return _conv(inputs, outputs, _STEM_KERNELS[0], stride=2)
    down = InvertedResidual(inputs, outputs, stride=2)
    return [down] if i < _STEM_STAGES else [down, InvertedResidual(outputs, outputs)]


_STAGES = {'plain': _plain_stage, 'residual': _residual_stage, 'mobile': _mobile_stage}


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]
