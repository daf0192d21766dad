"""atvio_node whose network stands before a gate at its first frame pair: it goes on when standard input ends."""

from __future__ import annotations

import sys

from atvio_ros.odometry.estimator import NetworkEstimator
from atvio_ros.ros import node
from atvio_ros.ros.parameters import NodeParameters
from atvio_ros.types import FramePair, RelativeMotion

AT_THE_GATE = 'at the gate'


def gated(parameters: NodeParameters) -> NetworkEstimator:
    """The network of the parameters, each frame pair announced and held up."""
    estimator = node.load_network(parameters)
    predict = estimator.predict

    def wait_and_predict(pair: FramePair) -> RelativeMotion:
        print(AT_THE_GATE, flush=True)
        sys.stdin.read()  # returns at once when it has ended before
        return predict(pair)

    estimator.predict = wait_and_predict
    return estimator


if __name__ == '__main__':
    node.main(gated)
