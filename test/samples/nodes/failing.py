"""atvio_node whose network fails on ten frame pairs after the third."""

from __future__ import annotations

import itertools

from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.ros import node
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.types import FramePair, RelativeMotion

GOOD, FAILURES = 3, 10
WORDS = 'CUDA out of memory'


def failing(parameters: NodeParameters) -> NetworkEstimator:
    """The network of the parameters, with an error of PyTorch in the place of ten motions."""
    estimator = node.load_network(parameters)
    predict, calls = estimator.predict, itertools.count()

    def sometimes(pair: FramePair) -> RelativeMotion:
        if GOOD <= next(calls) < GOOD + FAILURES:
            raise RuntimeError(WORDS)
        return predict(pair)

    estimator.predict = sometimes
    return estimator


if __name__ == '__main__':
    node.main(failing)
