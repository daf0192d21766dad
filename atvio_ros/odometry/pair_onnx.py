"""A network of the paper by ONNX Runtime, from a file that `atvio export-onnx` wrote."""

from __future__ import annotations

import copy

import numpy as np

from atvio_ros.network.card import ModelCard, read_metadata
from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.onnx_interface import pair_inputs, pair_outputs
from atvio_ros.odometry.networks import PairAnswer, Values
from atvio_ros.odometry.onnx_session import OnnxGraph
from atvio_ros.types import FloatArray, ImageArray


class OnnxPairs:
    """See networks.PairNetwork."""

    def __init__(self, graph: OnnxGraph) -> None:
        """Raises ModelError where the file is of something else, or contradicts itself."""
        self.config, self.card = described(graph)
        self._graph = graph
        self._shapes = pair_inputs(self.config)
        graph.check(self._shapes, pair_outputs(self.config))
        self._R_camera_imu = np.array(self.config.R_camera_imu, np.float32)
        self._bias = np.array(self.config.gyro_bias, np.float32)
        self.reset()

    @property
    def digest(self) -> str:
        """See networks.PairNetwork."""
        return self._graph.metadata.get('digest', '')

    @property
    def device(self) -> str:
        """See networks.PairNetwork."""
        return self._graph.device

    def on_robot(self, R_camera_base: FloatArray) -> OnnxPairs:
        """See networks.PairNetwork."""
        made = copy.copy(self)
        made._R_camera_imu = R_camera_base.astype(np.float32)
        made._bias = np.zeros(3, np.float32)
        made.reset()
        return made

    def reset(self) -> None:
        """See networks.PairNetwork."""
        self._hidden, self._cell = (np.zeros(self._shapes[name], np.float32) for name in ('hidden', 'cell'))

    def motion(self, images: ImageArray, imu: Values, interval_s: float) -> PairAnswer:
        """See networks.PairNetwork."""
        found = self._run(images, imu, interval_s, self._hidden, self._cell)
        self._hidden, self._cell = found['next_hidden'], found['next_cell']
        return PairAnswer(found['motion'][0, 0], found['attention'][0, 0])

    def warm_up(self) -> None:
        """See networks.PairNetwork."""
        images = np.zeros((2, self.config.image_height_px, self.config.image_width_px, 1), np.uint8)
        self._run(images, np.zeros((11, 6), np.float32), self.config.nominal_interval_s, self._hidden, self._cell)

    def _run(
        self, images: ImageArray, imu: Values, interval_s: float, hidden: Values, cell: Values
    ) -> dict[str, Values]:
        colour = np.broadcast_to(images, (*images.shape[:3], 3))
        return self._graph.run(
            {
                'images': np.ascontiguousarray(colour.transpose(0, 3, 1, 2))[None],
                'imu': imu[None, None],
                'interval_s': [[interval_s]],
                'hidden': hidden,
                'cell': cell,
                'R_camera_imu': self._R_camera_imu,
                'gyro_bias': self._bias,
            }
        )


def described(graph: OnnxGraph) -> tuple[AtvioConfig, ModelCard]:
    """Configuration and card of the network in a file. Raises ModelError."""
    return read_metadata(graph.path, graph.metadata, AtvioConfig)
