"""The node's parameters: declared once here, with meaning and range; ROS learns them from the declaration."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any

import numpy as np
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    ParameterType,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from atvio_ros import geometry
from atvio_ros.errors import SettingsError
from atvio_ros.settings import check, setting
from atvio_ros.types import FloatArray

RELIABILITY = ('best_effort', 'reliable')


@dataclass(frozen=True)
class NodeParameters:
    """Everything that can be set on atvio_node. `read_only` ones are fixed once it runs."""

    model: str = setting('', 'Model file (.safetensors); empty: the shipped default.', read_only=True)
    device: str = setting(
        'auto', 'Where the network runs; auto takes CUDA if there is one.',
        choices=('auto', 'cuda', 'cpu'), read_only=True,
    )  # fmt: skip
    inference_threads: int = setting(
        1, 'CPU threads of the network. More help on idle cores only: on busy ones they wait for each other.',
        minimum=1, maximum=256, read_only=True,
    )  # fmt: skip
    odom_frame: str = setting('odom', 'Fixed frame of the published pose (REP 105).', read_only=True)
    base_frame: str = setting('base_link', 'Moving frame of the published pose and frame of the twist.', read_only=True)
    base_to_camera: tuple[float, ...] = setting(
        (0.0, 0.0, 0.0, -0.5, 0.5, -0.5, 0.5),
        'Pose of the optical camera frame in base_frame: x y z [m], qx qy qz qw. The default looks along base x.',
        read_only=True,
    )
    base_to_imu: tuple[float, ...] = setting(
        (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0),
        'Pose of the IMU frame in base_frame: x y z [m], qx qy qz qw. Its rotation turns the readings into base axes.',
        read_only=True,
    )
    publish_tf: bool = setting(True, 'Broadcast odom_frame -> base_frame. Turn off when an EKF does it.')
    publish_path: bool = setting(True, 'Publish the path for RViz.')
    path_length: int = setting(2000, 'Poses kept in the published path.', minimum=1, maximum=100_000)
    compressed_image: bool = setting(
        False, 'Take sensor_msgs/CompressedImage on the image topic instead of sensor_msgs/Image.', read_only=True
    )
    image_reliability: str = setting(
        'best_effort', 'Reliability asked of the image publisher; best_effort matches every publisher.',
        choices=RELIABILITY, read_only=True,
    )  # fmt: skip
    imu_reliability: str = setting(
        'best_effort', 'Reliability asked of the IMU publisher; best_effort matches every publisher.',
        choices=RELIABILITY, read_only=True,
    )  # fmt: skip
    image_depth: int = setting(5, 'Images the middleware keeps for us.', minimum=1, maximum=1000, read_only=True)
    imu_depth: int = setting(
        500, 'IMU readings the middleware keeps for us.', minimum=1, maximum=100_000, read_only=True
    )
    queue_limit: int = setting(
        5, 'Frame pairs that may wait for the network; beyond, the oldest image is skipped.',
        minimum=1, maximum=1000, read_only=True,
    )  # fmt: skip
    max_imu_gap: float = setting(
        0.05, 'Longest hole in the IMU stream that is bridged [s].', minimum=0.001, maximum=10.0, read_only=True
    )
    max_image_gap: float = setting(
        0.5, 'Longest time between two images that is bridged [s].', minimum=0.01, maximum=60.0, read_only=True
    )
    max_wait: float = setting(
        1.0, 'Longest time an image waits for the IMU to pass it [s].', minimum=0.01, maximum=60.0, read_only=True
    )
    imu_time_offset: float = setting(
        0.0, 'Added to IMU stamps to bring them to the clock of the images [s].',
        minimum=-10.0, maximum=10.0, read_only=True,
    )  # fmt: skip

    @property
    def T_base_camera(self) -> FloatArray:  # noqa: N802 (the field's notation)
        """base_to_camera as a pose (4, 4)."""
        return _pose(self.base_to_camera, 'base_to_camera')

    @property
    def R_base_imu(self) -> FloatArray:  # noqa: N802 (the field's notation)
        """Rotation part (3, 3) of base_to_imu."""
        return _pose(self.base_to_imu, 'base_to_imu')[:3, :3]


def declare_parameters(node: Node) -> NodeParameters:
    """Declare all parameters on the node and read them. Raises SettingsError naming the parameter and the fix."""
    types = typing.get_type_hints(NodeParameters)
    values = {}
    for field in dataclasses.fields(NodeParameters):
        default = list(field.default) if isinstance(field.default, tuple) else field.default
        try:
            given = node.declare_parameter(field.name, default, _descriptor(field, types[field.name])).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise SettingsError(f'Parameter {field.name}: {" ".join(str(error).split())}') from error
        given = list(given) if isinstance(default, list) else given
        values[field.name] = check(given, types[field.name], field.metadata, field.name)
    parameters = NodeParameters(**values)
    _ = parameters.T_base_camera, parameters.R_base_imu  # refuse bad poses now, not at the first image
    return parameters


def updated(parameters: NodeParameters, changes: list[Parameter]) -> tuple[NodeParameters, SetParametersResult]:
    """The parameters with run-time changes, and ROS's answer; on a refusal they stay as they were."""
    types = typing.get_type_hints(NodeParameters)
    fields = {field.name: field for field in dataclasses.fields(NodeParameters)}
    try:
        checked = {
            change.name: check(change.value, types[change.name], fields[change.name].metadata, change.name)
            for change in changes
            if change.name in fields  # others (use_sim_time) are not ours to judge
        }
    except SettingsError as error:
        return parameters, SetParametersResult(successful=False, reason=str(error))
    return dataclasses.replace(parameters, **checked), SetParametersResult(successful=True)


def _pose(numbers: tuple[float, ...], name: str) -> FloatArray:
    if len(numbers) != 7:
        raise SettingsError(f'{name} must be 7 numbers, x y z qx qy qz qw, not {len(numbers)}.')
    length = float(np.linalg.norm(numbers[3:]))
    if abs(length - 1.0) > 1e-3:
        raise SettingsError(f'{name} must end in a unit quaternion qx qy qz qw; its length is {length:.3f}.')
    return geometry.transform(geometry.from_quaternion(*numbers[3:]), np.array(numbers[:3]))


def _descriptor(field: dataclasses.Field[Any], expected: Any) -> ParameterDescriptor:
    metadata = field.metadata
    choices = metadata['choices']
    descriptor = ParameterDescriptor(description=metadata['description'], read_only=metadata['read_only'])
    descriptor.additional_constraints = f'one of: {", ".join(choices)}' if choices else ''
    if metadata['minimum'] is not None:
        low, high = metadata['minimum'], metadata['maximum']
        if expected is int:
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=0)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high, step=0.0)]
    descriptor.type = {
        str: ParameterType.PARAMETER_STRING,
        bool: ParameterType.PARAMETER_BOOL,
        int: ParameterType.PARAMETER_INTEGER,
        float: ParameterType.PARAMETER_DOUBLE,
    }.get(expected, ParameterType.PARAMETER_DOUBLE_ARRAY)
    return descriptor
