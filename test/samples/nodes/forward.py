"""atvio_node whose network sees one metre along the optical axis in every frame pair."""

from __future__ import annotations

from atvio_ros.geometry import translation
from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.ros import node
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.types import RelativeMotion


def forward(parameters: NodeParameters) -> NetworkEstimator:
    """The network of the parameters, asked for nothing."""
    estimator = node.load_network(parameters)
    estimator.predict = lambda pair: RelativeMotion(translation(0.0, 0.0, 1.0))
    return estimator


if __name__ == '__main__':
    node.main(forward)
