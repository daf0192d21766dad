"""The road branch: how much each patch of the road is to be believed.

Curves of likelihood come from correlation (road/shift_curves.py), and a filter over speed and tilt joins them. The
network cannot move a peak of them: the filter finds tilts of a twentieth of a degree from where the peaks of near and
far bands lie, and a network that was free to shape curves made distances 2 to 4 % wrong with that. So it says one
weight for each patch, from figures of all of them. Untrained, every weight is 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from atvio_ros.network.road_config import FIGURES, RoadConfig


class PatchWeights(nn.Module):
    """Figures of patches to their weights."""

    def __init__(self, config: RoadConfig) -> None:
        super().__init__()
        width = config.patch_width
        self.largest = config.largest_log_weight
        self.off = 'road' in config.without
        self.each = nn.Sequential(nn.Linear(FIGURES, width), nn.ReLU())
        self.beside = nn.Sequential(nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, 1))
        last = self.beside[-1]
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, figures: Tensor, there: Tensor) -> Tensor:
        """Weights (N, P) of patches with figures (N, P, FIGURES), of which `there` (N, P) tells which there are."""
        if self.off:
            return there.float()
        each = self.each(figures) * there[..., None]  # (N, P, C)
        mean = each.sum(dim=1) / there.sum(dim=1).clamp(min=1.0)[:, None]  # (N, C)
        said = self.beside(torch.cat((each, mean[:, None].expand_as(each)), dim=2))[..., 0]  # (N, P)
        weights: Tensor = torch.exp(self.largest * torch.tanh(said)) * there
        return weights
