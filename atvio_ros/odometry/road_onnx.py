"""The network `road` by ONNX Runtime, from the two files that `atvio export-onnx` wrote."""

from __future__ import annotations

import copy

import numpy as np

from atvio_ros.errors import ModelError
from atvio_ros.network.card import read_metadata
from atvio_ros.network.onnx_interface import MATCHER_OUTPUTS, ROAD_OUTPUTS, matcher_inputs, road_inputs
from atvio_ros.network.road_config import BANDS, RoadConfig
from atvio_ros.odometry.networks import RoadAnswer, Values
from atvio_ros.odometry.onnx_session import OnnxGraph
from atvio_ros.odometry.road_front import RoadStep
from atvio_ros.odometry.road_views import DrawnPair, RoadGrid


class OnnxRoad:
    """See networks.RoadWeights."""

    def __init__(self, rest: OnnxGraph, matcher: OnnxGraph) -> None:
        """Raises ModelError where the files are of something else, of two networks, or contradict themselves."""
        self.config, self.card = read_metadata(rest.path, rest.metadata, RoadConfig)
        if matcher.metadata.get('digest') != rest.metadata.get('digest'):
            raise ModelError(f'{rest.path} and {matcher.path} are of two networks. Export both again.')
        self._rest, self._matcher = rest, matcher
        self._shapes = road_inputs(self.config)
        rest.check(self._shapes, ROAD_OUTPUTS)
        matcher.check(matcher_inputs(self.config), MATCHER_OUTPUTS)
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

    def match(self, drawn: DrawnPair, grid: RoadGrid) -> tuple[Values, Values]:
        """See networks.RoadWeights."""
        found = self._matcher.run(
            {
                'older': drawn.older[None],
                'newer': drawn.newer[None],
                'seen': drawn.seen[None],
                'bands': grid.bands[None],
                'depth': grid.depth[None],
                'cell': [grid.cell],
            }
        )
        return found['curves'][0], found['present'][0]

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
        view = np.zeros((1, self.config.rows, self.config.columns), np.float32)
        bands = np.ones((1, len(BANDS), self.config.rows), np.float32)
        self._matcher.run(
            {'older': view, 'newer': view, 'seen': view, 'bands': bands, 'depth': bands[:, :, 0], 'cell': [1.0]}
        )
