"""atvio_node whose network sees one metre along the optical axis in every frame pair."""

from __future__ import annotations

from atvio_ros.ros import node
from samples.nodes.fakes import Fake

if __name__ == '__main__':
    node.main(lambda parameters: Fake())
