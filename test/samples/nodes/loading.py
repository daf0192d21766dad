"""atvio_node whose model loads for as long as standard input is open."""

from __future__ import annotations

import sys

from atvio_ros.ros import node
from atvio_ros.ros.parameters import NodeParameters
from samples.nodes.fakes import Fake

LOADING = 'loading the model'


def slowly(parameters: NodeParameters) -> Fake:
    """An estimator, when standard input has ended."""
    print(LOADING, flush=True)
    sys.stdin.read()
    return Fake()


if __name__ == '__main__':
    node.main(slowly)
