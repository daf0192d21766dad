"""A node that cannot work refuses to start, in one line."""

import pytest

pytest.importorskip('rclpy', reason='no ROS 2 here: run `make test`, which sets one up')

from node_process import NodeProcess


@pytest.mark.parametrize(
    ('parameter', 'value', 'message'),
    [
        ('model', 'nowhere.safetensors', 'There is no model file nowhere.safetensors'),
        ('device', 'tpu', 'device must be one of auto, cuda, cpu'),
        ('base_to_camera', '[0.0, 0.0]', 'base_to_camera must have 7 numbers'),
        (
            'base_to_camera',
            '[0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]',
            'the quaternion (qx qy qz qw) has length 2.000, it must be 1',
        ),
        ('base_to_camera', '[1.0e160, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]', 'is 1e+160 m away'),
        ('base_to_imu', '[0.0, 0.0, 0.0, .nan, 0.0, 0.0, 1.0]', 'NaN'),
        ('camera_height', 0.0, 'camera_height'),
        ('camera_height', 50.0, 'camera_height'),
        ('gyro_bias', '[0.0, 0.0]', 'gyro_bias must have 3 numbers'),
        ('rig', 'nowhere.yaml', 'There is no settings file nowhere.yaml'),
        ('estimator', 'roads', 'estimator must be road, geometry, network or empty'),
        ('max_imu_gap', -1.0, 'max_imu_gap'),
        ('queue_limit', 'two', 'queue_limit'),
        ('odom_frame', 'base_link', 'Give them different names'),
        ('base_frame', '""', 'must be a frame'),
        ('max_image_gap', 0.04, 'Lower max_imu_gap'),
    ],
)
def test_what_cannot_work_is_refused_at_start_in_one_line(parameter, value, message):
    with NodeProcess({parameter: value}) as process:
        assert process.wait() == 1, process.output
    lines = [line for line in process.lines if line.startswith('atvio_node:')]
    assert len(lines) == 1
    assert message in lines[0]
    assert 'Traceback' not in process.output


def test_a_start_and_a_reset_are_nothing_to_warn_of(running_node):
    running_node.begin()
    running_node.drive(0, 3)
    running_node.wait_for_odometry(2)
    said = len(running_node.process.lines)
    running_node.begin()
    ticks = len(running_node.ticks)
    running_node.wait_for(lambda: len(running_node.ticks) > ticks, 'no diagnostics')
    assert [line for line in running_node.process.lines[said:] if 'WARN' in line] == []
