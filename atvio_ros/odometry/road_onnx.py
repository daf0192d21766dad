"""The network `road` by ONNX Runtime, from the two files that `atvio export-onnx` wrote."""

from __future__ import annotations

import copy

import numpy as np

from atvio_ros.errors import ModelError
from atvio_ros.network.card import read_metadata
from atvio_ros.network.onnx_interface import PATCH_OUTPUTS, ROAD_OUTPUTS, patch_inputs, road_inputs
from atvio_ros.network.road_config import FIGURES, MOST_PATCHES, RoadConfig
from atvio_ros.odometry.networks import RoadAnswer, Values
from atvio_ros.odometry.onnx_session import OnnxGraph
from atvio_ros.odometry.road_front import RoadStep


class OnnxRoad:
    """See networks.RoadWeights."""

    def __init__(self, rest: OnnxGraph, patches: OnnxGraph) -> None:
        """Raises ModelError where the files are of something else, of two networks, or contradict themselves."""
        self.config, self.card = read_metadata(rest.path, rest.metadata, RoadConfig)
        if patches.metadata.get('digest') != rest.metadata.get('digest'):
            raise ModelError(f'{rest.path} and {patches.path} are of two networks. Export both again.')
        self._rest, self._patches = rest, patches
        self._shapes = road_inputs(self.config)
        rest.check(self._shapes, ROAD_OUTPUTS)
        patches.check(patch_inputs(), PATCH_OUTPUTS)
        self.reset()

    @property
    def digest(self) -> str:
        """See networks.RoadWeights."""
        return self._rest.metadata.get('digest', '')

    @property
    def device(self) -> str:
        """See networks.RoadWeights."""
        return self._rest.device

    def fresh(self) -> OnnxRoad:
        """See networks.RoadWeights."""
        made = copy.copy(self)
        made.reset()
        return made

    def reset(self) -> None:
        """See networks.RoadWeights."""
        self._hidden, self._cell = (np.zeros(self._shapes[name], np.float32) for name in ('hidden', 'cell'))

    def patches(self, figures: Values) -> Values:
        """See networks.RoadWeights."""
        count = len(figures)
        padded, there = np.zeros((1, MOST_PATCHES, FIGURES), np.float32), np.zeros((1, MOST_PATCHES), np.float32)
        padded[0, :count], there[0, :count] = figures, 1.0
        return self._patches.run({'figures': padded, 'there': there})['weights'][0, :count]

    def weigh(self, step: RoadStep) -> RoadAnswer:
        """See networks.RoadWeights."""
        found = self._rest.run(
            {
                'curves': step.curves[None, None],
                'scalars': step.scalars[None, None],
                'imu': step.imu[None, None],
                'views': step.views[None, None],
                'way': [[step.way]],
                'sigma': step.sigma[None, None],
                'hidden': self._hidden,
                'cell': self._cell,
            }
        )
        self._hidden, self._cell = found['next_hidden'], found['next_cell']
        return RoadAnswer(found['motion'][0, 0], found['log_sigma'][0, 0], found['attention'][0, 0])

    def warm_up(self) -> None:
        """See networks.RoadWeights."""
        self.patches(np.zeros((1, FIGURES), np.float32))
