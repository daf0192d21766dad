"""The node's parameters: declared once here, with meaning and range; ROS learns them from the declaration.

`read_only` ones are read when the node is configured. They may be set before that, so that a configuration that failed
can be put right, and are refused with the reason afterwards. Only `autostart` is read-only to ROS, too.
"""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any

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

from atvio_ros.errors import SettingsError
from atvio_ros.mounting import Mounting
from atvio_ros.odometry.frame_pairs import PairingLimits
from atvio_ros.ros.conversions import pose_from_numbers
from atvio_ros.settings import check, setting
from atvio_ros.types import NANOSECONDS

RELIABILITY = ('best_effort', 'reliable')


@dataclass(frozen=True)
class NodeParameters:
    """Everything that can be set on atvio_node. Raises SettingsError where values contradict each other."""

    autostart: bool = setting(
        True, 'Configure and activate at start. false: wait for transitions from outside (ros2 lifecycle set).',
        read_only=True,
    )  # fmt: skip
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
    extrinsics_from_tf: bool = setting(
        False,
        'Take the poses of camera and IMU from /tf_static instead; their frames are those of their messages.',
        read_only=True,
    )
    publish_tf: bool = setting(True, 'Broadcast odom_frame -> base_frame. Turn off when an EKF does it.')
    invert_tf: bool = setting(
        False, 'Broadcast base_frame -> odom_frame instead, for trees in which base_frame has another parent already.'
    )
    publish_path: bool = setting(True, 'Publish the path for RViz.')
    path_length: int = setting(2000, 'Poses kept in the published path.', minimum=1, maximum=100_000)
    standstill_detection: bool = setting(
        True, 'Hold the pose while the robot stands. Off, the network makes every motion, as in the paper.',
        read_only=True,
    )  # fmt: skip
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

    def __post_init__(self) -> None:
        _ = self.mounting  # refuse bad poses now, not at the first image
        for name in ('odom_frame', 'base_frame'):
            frame = getattr(self, name)
            if not frame or frame.startswith('/') or frame != frame.strip():
                raise SettingsError(f"{name} must be a frame's name without a leading /, not {frame!r}.")
        if self.odom_frame == self.base_frame:
            raise SettingsError(f'odom_frame and base_frame are both {self.odom_frame!r}. Give them different names.')
        if self.max_imu_gap >= self.max_image_gap:
            raise SettingsError(
                f'max_imu_gap ({self.max_imu_gap} s) must be below max_image_gap ({self.max_image_gap} s): '
                'frame pairs without any IMU reading would be accepted. Lower max_imu_gap.'
            )

    @property
    def mounting(self) -> Mounting:
        """Where the sensors sit, by base_to_camera and base_to_imu, and the offset of the IMU's clock."""
        return Mounting(
            pose_from_numbers(self.base_to_camera, 'base_to_camera'),
            pose_from_numbers(self.base_to_imu, 'base_to_imu'),
            self.imu_time_offset,
        )

    @property
    def limits(self) -> PairingLimits:
        """How much irregularity of the streams is bridged."""
        return PairingLimits(
            max_imu_gap_ns=round(self.max_imu_gap * NANOSECONDS),
            max_image_gap_ns=round(self.max_image_gap * NANOSECONDS),
            max_wait_ns=round(self.max_wait * NANOSECONDS),
        )


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
    return NodeParameters(**values)


def updated(
    parameters: NodeParameters, changes: list[Parameter], configured: bool = True
) -> tuple[NodeParameters, SetParametersResult]:
    """The parameters with changes, and ROS's answer; on a refusal they stay as they were."""
    types = typing.get_type_hints(NodeParameters)
    fields = {field.name: field for field in dataclasses.fields(NodeParameters)}
    checked = {}
    try:
        for change in changes:
            if change.name not in fields:
                continue  # others (use_sim_time) are not ours to judge
            field = fields[change.name]
            given = list(change.value) if isinstance(field.default, tuple) else change.value
            value = check(given, types[field.name], field.metadata, field.name)
            if configured and field.metadata['read_only'] and value != getattr(parameters, field.name):
                raise SettingsError(
                    f'{field.name} is read when the node is configured. `ros2 lifecycle set NODE deactivate`, then '
                    '`cleanup`, set it and configure again; or give it at start.'
                )
            checked[field.name] = value
        return dataclasses.replace(parameters, **checked), SetParametersResult(successful=True)
    except SettingsError as error:
        return parameters, SetParametersResult(successful=False, reason=str(error))


def _descriptor(field: dataclasses.Field[Any], expected: Any) -> ParameterDescriptor:
    metadata = field.metadata
    choices = metadata['choices']
    constraints = [f'one of: {", ".join(choices)}'] if choices else []
    if metadata['read_only']:
        constraints.append('read when the node is configured')
    descriptor = ParameterDescriptor(
        description=metadata['description'],
        additional_constraints='; '.join(constraints),
        read_only=field.name == 'autostart',
    )
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
