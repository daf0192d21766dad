"""Messages on their way to the odometry, in the node's own process."""

from __future__ import annotations

from collections.abc import Iterator
from unittest.mock import Mock

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

import rclpy
from node_process import fresh_environment, release
from rclpy.context import Context
from rclpy.node import Node
from sensor_msgs.msg import Image

from atvio_ros.odometry.ledger import Ledger
from atvio_ros.ros import late_odometry
from atvio_ros.ros.late_odometry import LateOdometry
from atvio_ros.ros.parameters import NodeParameters

PICTURE = np.random.default_rng(0).integers(0, 256, (12, 16), dtype=np.uint8)


@pytest.fixture
def node() -> Iterator[Node]:
    environment, context = fresh_environment(), Context()
    rclpy.init(context=context, domain_id=int(environment['ROS_DOMAIN_ID']))
    made = Node('probe', context=context)
    yield made
    made.destroy_node()
    rclpy.try_shutdown(context=context)
    release(environment)


@pytest.mark.parametrize(('limit_s', 'said'), [(-1.0, True), (60.0, False)])
def test_decoding_that_takes_long_is_said(node, monkeypatch, limit_s, said):
    monkeypatch.setattr(late_odometry, 'SLOW_DECODING_S', limit_s)
    warnings: list[str] = []
    made = LateOdometry(node, NodeParameters(), Mock(view=None), Ledger(), Mock(), warnings.append)
    made.add_image(Image(height=12, width=16, step=16, encoding='mono8', data=PICTURE.tobytes()), 0)
    made.close()
    assert [text for text in warnings if 'decoding an image of 16x12 took' in text] == (warnings if said else [])
    assert bool(warnings) == said
