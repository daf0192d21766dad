"""The network `road` in PyTorch, as the odometry runs it."""

from __future__ import annotations

import numpy as np
import torch

from atvio_ros.network.lstm import LstmState
from atvio_ros.network.patch_weights import PatchWeights
from atvio_ros.network.road_file import road_hash
from atvio_ros.network.road_network import RoadInputs, RoadNetwork, blank_inputs
from atvio_ros.odometry.networks import RoadAnswer, Values
from atvio_ros.odometry.road_front import RoadStep
from atvio_ros.road.learned_weights import LearnedWeights, learned_weights


class TorchRoad:
    """See networks.RoadWeights."""

    device = 'cpu'

    def __init__(self, model: RoadNetwork) -> None:
        self.model = model.eval()
        self.config = model.config
        self._weights = weighing(model.patches)
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

    def patches(self, figures: Values) -> Values:
        """See networks.RoadWeights."""
        return self._weights(figures)

    @torch.inference_mode()
    def weigh(self, step: RoadStep) -> RoadAnswer:
        """See networks.RoadWeights."""
        output = self.model(as_inputs([step]), self._state)
        self._state = output.state
        return RoadAnswer(output.motion[0, 0].numpy(), output.log_sigma[0, 0].numpy(), output.attention[0, 0].numpy())

    @torch.inference_mode()
    def warm_up(self) -> None:
        """See networks.RoadWeights."""
        self.model(blank_inputs())


def weighing(patches: PatchWeights) -> LearnedWeights:
    """Weights of patches as RoadFront takes them; later changes of `patches` do not reach them."""
    tensors = {name: tensor.numpy().copy() for name, tensor in patches.state_dict().items()}
    return learned_weights(0.0 if patches.off else patches.largest, tensors)


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
