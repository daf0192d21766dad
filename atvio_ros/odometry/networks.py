"""What the odometry asks of a network, whatever runs it: PyTorch (pair_torch.py, road_torch.py) or ONNX Runtime.

Each has the memory of one drive; `on_robot` and `fresh` give another with a memory of its own and the same weights.
Arrays go in and come out, so that nothing here imports a framework.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from atvio_ros.network.config import AtvioConfig
from atvio_ros.network.road_config import RoadConfig
from atvio_ros.odometry.road_front import RoadStep
from atvio_ros.types import FloatArray, ImageArray

Values = NDArray[np.float32]


class PairAnswer(NamedTuple):
    """What a network of the paper says of one pair."""

    motion: Values  # (6,) as geometry.encode_motion: x y z [m], roll pitch yaw [rad], optical camera frame
    attention: Values  # (2,) mean channel weight on vision and on inertia; nan where the fusion has none


class PairNetwork(Protocol):
    """A network of the paper."""

    @property
    def config(self) -> AtvioConfig:
        """What it is made of."""

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with any weight or setting; the same whatever runs it."""

    @property
    def device(self) -> object:
        """Where it runs and by what, for people."""

    def on_robot(self, R_camera_base: FloatArray) -> PairNetwork:
        """One for a robot whose readings come in base axes and without bias, with the mounting (3, 3) of its camera."""

    def reset(self) -> None:
        """Forget the pairs before."""

    def motion(self, images: ImageArray, imu: Values, interval_s: float) -> PairAnswer:
        """Motion over the next pair: images (2, H, W, C), C = 1 or 3, IMU (11, 6) [rad/s, m/s^2]. Raises ModelError."""

    def warm_up(self) -> None:
        """Run once on nothing, without leaving a memory."""


class RoadAnswer(NamedTuple):
    """What the network `road` says of one pair."""

    motion: Values  # (3,) right, down, along the travel [camera heights], level axes of the newer image
    log_sigma: Values  # (3,) of these
    attention: Values  # (4,) mean channel weight on road, perspective, inertial, direction; nan where left out


class RoadWeights(Protocol):
    """The two learned parts of the network `road`; the road estimator between them is in road_front.py."""

    @property
    def config(self) -> RoadConfig:
        """What it is made of."""

    @property
    def digest(self) -> str:
        """Twelve hex digits that change with any weight or setting; the same whatever runs it."""

    @property
    def device(self) -> object:
        """Where it runs and by what, for people."""

    def fresh(self) -> RoadWeights:
        """One with a memory of its own."""

    def reset(self) -> None:
        """Forget the pairs before."""

    def patches(self, figures: Values) -> Values:
        """Weights (P,) of patches with figures (P, FIGURES); see road_front.WeighFigures. Raises ModelError."""

    def weigh(self, step: RoadStep) -> RoadAnswer:
        """What it says of the next pair. Raises ModelError."""

    def warm_up(self) -> None:
        """Run once on nothing, without leaving a memory."""
