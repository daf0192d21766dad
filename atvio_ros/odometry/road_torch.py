"""The network `road` in PyTorch, as the odometry runs it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from atvio_ros.network.lstm import LstmState
from atvio_ros.network.road_config import BANDS
from atvio_ros.network.road_file import road_hash
from atvio_ros.network.road_matching import RoadMatcher, RoadViews
from atvio_ros.network.road_network import RoadInputs, RoadNetwork
from atvio_ros.odometry.networks import RoadAnswer, Values
from atvio_ros.odometry.road_front import Match, RoadStep
from atvio_ros.odometry.road_views import DrawnPair, RoadGrid


class TorchRoad:
    """See networks.RoadWeights."""

    device = 'cpu'

    def __init__(self, model: RoadNetwork) -> None:
        self.model = model.eval()
        self.config = model.config
        self._state: LstmState | None = None

    @property
    def digest(self) -> str:
        """See networks.RoadWeights."""
        return road_hash(self.model)

    def fresh(self) -> TorchRoad:
        """See networks.RoadWeights."""
        return TorchRoad(self.model)

    def reset(self) -> None:
        """See networks.RoadWeights."""
        self._state = None

    def match(self, drawn: DrawnPair, grid: RoadGrid) -> tuple[Values, Values]:
        """See networks.RoadWeights."""
        return matching(self.model.matcher)(drawn, grid)

    @torch.inference_mode()
    def weigh(self, step: RoadStep) -> RoadAnswer:
        """See networks.RoadWeights."""
        output = self.model(as_inputs([step]), self._state)
        self._state = output.state
        return RoadAnswer(output.motion[0, 0].numpy(), output.log_sigma[0, 0].numpy(), output.attention[0, 0].numpy())

    @torch.inference_mode()
    def warm_up(self) -> None:
        """See networks.RoadWeights."""
        blank, bands = torch.zeros(1, self.config.rows, self.config.columns), len(BANDS)
        self.model.matcher(
            RoadViews(blank, blank, blank, torch.ones(1, bands, self.config.rows), torch.ones(1, bands), torch.ones(1))
        )


def matching(matcher: RoadMatcher) -> Match:
    """A matcher as RoadFront takes it."""
    matcher.eval()

    @torch.inference_mode()
    def match(drawn: DrawnPair, grid: RoadGrid) -> tuple[Values, Values]:
        curves, present = matcher(as_batch([drawn], [grid]))
        return curves[0].numpy(), present[0].numpy()

    return match


def as_batch(drawn: Sequence[DrawnPair], grids: Sequence[RoadGrid]) -> RoadViews:
    """Drawn pairs, each with its grid, as the matcher takes them."""

    def tensor(arrays: list[NDArray[np.float64]] | list[Values]) -> torch.Tensor:
        return torch.from_numpy(np.stack(arrays).astype(np.float32, copy=False))

    return RoadViews(
        tensor([pair.older for pair in drawn]),
        tensor([pair.newer for pair in drawn]),
        tensor([pair.seen for pair in drawn]),
        tensor([grid.bands for grid in grids]),
        tensor([grid.depth for grid in grids]),
        tensor([np.array(grid.cell) for grid in grids]),
    )


def as_inputs(steps: list[RoadStep]) -> RoadInputs:
    """T steps of one drive as a batch of one."""
    return RoadInputs(
        torch.from_numpy(np.stack([step.curves for step in steps]))[None],
        torch.from_numpy(np.stack([step.scalars for step in steps]))[None],
        torch.from_numpy(np.stack([step.imu for step in steps]))[None],
        torch.from_numpy(np.stack([step.views for step in steps]))[None],
        torch.tensor([[step.way for step in steps]], dtype=torch.float32),
        torch.from_numpy(np.stack([step.sigma for step in steps]))[None],
    )
