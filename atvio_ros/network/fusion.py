"""Combining visual features A with inertial features B (ATVIO section 2.3, Fig. 3 and 5; SelectFusion, 1912.13077).

Each module takes A (N, C1, h, w) and B (N, C2, h, w) and returns the fused maps (N, C1 + C2, h, w), A's channels first,
with the weight of each channel (N, C1 + C2) in [0, 1], or None where the fusion gives no weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import gumbel_softmax

from atvio_ros.network.config import AtvioConfig

Fused = tuple[Tensor, Tensor | None]


class AttentionGeneration(nn.Module):
    """AG: feature maps -> one weight per channel, as a squeeze-and-excitation block (Hu et al., CVPR 2018) makes it."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        squeezed = max(1, channels // reduction)
        self.layers = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(channels, squeezed),
            nn.ReLU(),
            nn.Linear(squeezed, channels),
            nn.Sigmoid(),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C) in (0, 1)."""
        weights: Tensor = self.layers(maps)
        return weights


class CrossDomainAttention(nn.Module):
    """CA-A: one AG over both domains together (Fig. 3)."""

    def __init__(self, visual: int, inertial: int, reduction: int) -> None:
        super().__init__()
        self.attention = AttentionGeneration(visual + inertial, reduction)

    def forward(self, visual: Tensor, inertial: Tensor) -> Fused:
        maps = torch.cat((visual, inertial), dim=1)  # (N, C, h, w)
        weights = self.attention(maps)  # (N, C)
        return _weighted(maps, weights), weights


class TwoLevelAttention(nn.Module):
    """CA-B, CA-C, CA-D: an AG inside each domain, then alpha and beta weigh the domains against each other (Fig. 5).

    `balance` turns maps (N, C, h, w) into alpha and beta (N, 2). CA-B feeds it the maps that the AGs have weighted,
    CA-C and CA-D the original ones.
    """

    def __init__(self, visual: int, inertial: int, reduction: int, balance: nn.Module, from_weighted: bool) -> None:
        super().__init__()
        self.visual_attention = AttentionGeneration(visual, reduction)
        self.inertial_attention = AttentionGeneration(inertial, reduction)
        self.balance = balance
        self.from_weighted = from_weighted

    def forward(self, visual: Tensor, inertial: Tensor) -> Fused:
        maps = torch.cat((visual, inertial), dim=1)  # (N, C, h, w)
        inner = (self.visual_attention(visual), self.inertial_attention(inertial))  # (N, C1), (N, C2)
        weighted = _weighted(maps, torch.cat(inner, dim=1))  # (N, C, h, w)
        alpha, beta = torch.split(self.balance(weighted if self.from_weighted else maps), 1, dim=1)  # (N, 1), (N, 1)
        weights = torch.cat((alpha * inner[0], beta * inner[1]), dim=1)  # (N, C)
        return _weighted(maps, weights), weights


class DirectConcatenation(nn.Module):
    """DirectCat: no weights. With an inertial encoder of zero channels this is VONAS-A."""

    def forward(self, visual: Tensor, inertial: Tensor) -> Fused:
        return torch.cat((visual, inertial), dim=1), None


class SoftSelection(nn.Module):
    """SF (soft): SelectFusion's deterministic mask, a sigmoid of a linear map of both domains' pooled features."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mask = nn.Linear(channels, channels)

    def forward(self, visual: Tensor, inertial: Tensor) -> Fused:
        maps = torch.cat((visual, inertial), dim=1)  # (N, C, h, w)
        weights = torch.sigmoid(self.mask(maps.mean(dim=(2, 3))))  # (N, C)
        return _weighted(maps, weights), weights


class HardSelection(nn.Module):
    """SF (hard): SelectFusion's stochastic mask. Each channel is kept or dropped.

    Training draws from a Gumbel-softmax (straight-through gradient); evaluation takes the likelier choice, so it is
    deterministic.
    """

    def __init__(self, channels: int, temperature: float) -> None:
        super().__init__()
        self.mask = nn.Linear(channels, 2 * channels)
        self.temperature = temperature

    def forward(self, visual: Tensor, inertial: Tensor) -> Fused:
        maps = torch.cat((visual, inertial), dim=1)  # (N, C, h, w)
        drop_keep = self.mask(maps.mean(dim=(2, 3))).view(*maps.shape[:2], 2)  # (N, C, 2) logits
        if self.training:
            weights = gumbel_softmax(drop_keep, tau=self.temperature, hard=True)[..., 1]  # (N, C) in {0, 1}
        else:
            weights = (drop_keep[..., 1] > drop_keep[..., 0]).to(maps.dtype)
        return _weighted(maps, weights), weights


def make_fusion(config: AtvioConfig) -> nn.Module:
    """The fusion that `config` names."""
    visual, inertial, r = config.feature_shape[0], config.inertial_channels, config.attention_reduction
    channels = visual + inertial
    if config.fusion == 'ca_a':
        return CrossDomainAttention(visual, inertial, r)
    if config.fusion == 'ca_b':
        return TwoLevelAttention(visual, inertial, r, _pool_then_fc(channels), from_weighted=True)
    if config.fusion == 'ca_c':
        return TwoLevelAttention(visual, inertial, r, _conv_then_pool(channels), from_weighted=False)
    if config.fusion == 'ca_d':
        return TwoLevelAttention(visual, inertial, r, _pool_then_fc(channels), from_weighted=False)
    if config.fusion == 'sf_soft':
        return SoftSelection(channels)
    if config.fusion == 'sf_hard':
        return HardSelection(channels, config.gumbel_temperature)
    return DirectConcatenation()


def _weighted(maps: Tensor, weights: Tensor) -> Tensor:
    return maps * weights[:, :, None, None]


def _pool_then_fc(channels: int) -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 2), nn.Sigmoid())


def _conv_then_pool(channels: int) -> nn.Module:
    # The sigmoid comes before the pool: pooling a linear convolution would be CA-D again, up to the borders.
    return nn.Sequential(
        nn.Conv2d(channels, 2, kernel_size=3, padding=1), nn.Sigmoid(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )
