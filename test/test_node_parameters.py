"""Parameters of the running node, through the services that `ros2 param` calls."""

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from rcl_interfaces.srv import DescribeParameters
from ros_graph import Graph

from atvio_ros.ros.parameters import NodeParameters


def drive(peer: Graph, first: int, frames: int) -> None:
    """Drive, and wait for its odometry; image 0 gives none."""
    expected = len(peer.odometry) + frames - (first == 0)
    peer.drive(first, frames)
    peer.wait_for_odometry(expected)


def test_every_parameter_explains_itself(node):
    names = list(NodeParameters.__dataclass_fields__)
    descriptors = node.call(DescribeParameters, 'describe_parameters', DescribeParameters.Request(names=names))
    for name, described in zip(names, descriptors.descriptors, strict=True):
        metadata = NodeParameters.__dataclass_fields__[name].metadata
        assert described.description == metadata['description']
        assert bool(described.integer_range or described.floating_point_range) == (metadata['minimum'] is not None)
        assert ('fixed while configured' in described.additional_constraints) == metadata['read_only']
        assert described.read_only == (name == 'autostart')


@pytest.mark.parametrize(
    ('name', 'value', 'part'),
    [
        ('path_length', 0, 'range'),
        ('path_length', 'many', 'type'),
        ('publish_tf', 1, 'type'),
        ('odom_frame', 'map', 'odom_frame is fixed while the node is configured'),
        ('autostart', False, 'read-only'),
    ],
)
def test_a_bad_change_is_refused_with_a_reason(node, name, value, part):
    assert part in node.set_parameter(name, value)


def test_a_whole_number_is_taken_for_a_decimal(node):
    assert 'fixed while the node is configured' in node.set_parameter('max_image_gap', 7)  # not: of the wrong type


def test_a_change_to_what_it_is_already_is_taken(node):
    assert node.set_parameter('odom_frame', 'odom') == ''


def test_the_transform_can_be_turned_round_and_off_while_it_runs(node):
    drive(node, 0, 3)
    assert node.set_parameter('invert_tf', True) == ''
    drive(node, 3, 2)
    assert node.set_parameter('publish_tf', False) == ''
    drive(node, 5, 2)
    assert node.set_parameter('invert_tf', False) == ''
    assert node.set_parameter('publish_tf', True) == ''
    drive(node, 7, 1)
    node.wait_for(lambda: len(node.transforms) >= 5, 'transforms are missing')
    assert [each.child_frame_id for each in node.transforms] == [
        'base_link', 'base_link', 'odom', 'odom', 'base_link'
    ]  # fmt: skip


def test_odometry_goes_on_undisturbed_while_parameters_change(node):
    for i in range(10):
        assert node.set_parameter('path_length', 1 + i) == ''
        node.drive(2 * i, 2)
    node.wait_for_odometry(19)
    assert node.frames() == list(range(1, 20))
