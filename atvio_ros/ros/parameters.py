"""The node's parameters: declared once here, with meaning and range; ROS learns them from the declaration.

`read_only` ones are read when the node is configured. They may be set before that, so that a configuration that failed
can be put right, and are refused with the reason afterwards. Only `autostart` is read-only to ROS, too. Those that
describe the robot have no default to ROS: unset means that /tf_static, camera_info or a rig file may say it.
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

from atvio_ros.errors import AtvioError, SettingsError
from atvio_ros.odometry.frame_pairs import PairingLimits
from atvio_ros.rig.rig import RigPart
from atvio_ros.rig.rig_yaml import RigSettings
from atvio_ros.ros.given_parameters import as_decimal, given_parameters, misspelt, take_whole_numbers
from atvio_ros.settings import check, setting
from atvio_ros.types import NANOSECONDS

ESTIMATORS = ('road', 'geometry', 'network')  # as in odometry/estimators.py, which takes long to import
RELIABILITY = ('best_effort', 'reliable')
OF_THE_ROBOT = (  # named and meant as the keys of a rig file
    'camera_height', 'base_to_camera', 'base_to_imu', 'imu_time_offset', 'gyro_lag', 'accelerometer_lag',
    'readout_time', 'gyro_bias',
)  # fmt: skip


@dataclass(frozen=True)
class NodeParameters:
    """Everything that can be set on atvio_node. Raises SettingsError where values contradict each other."""

    autostart: bool = setting(
        True, 'Configure and activate at start. false: wait for transitions from outside (ros2 lifecycle set).',
        read_only=True,
    )  # fmt: skip
    estimator: str = setting(
        '', 'What makes the odometry: road, geometry (road, with nothing learned) or network; empty: network where '
        '`model` is given, else road.',
        read_only=True,
    )  # fmt: skip
    model: str = setting(
        '', 'Model file (.safetensors or .onnx) of the network, or of the weights of road (.safetensors); empty: '
        'the shipped one.',
        read_only=True,
    )  # fmt: skip
    device: str = setting(
        'auto', 'Where the network runs; auto takes CUDA if there is one.',
        choices=('auto', 'cuda', 'cpu'), read_only=True,
    )  # fmt: skip
    backend: str = setting(
        'auto', 'What runs the network; auto is onnxruntime for an ONNX file, or with one beside the model file, else '
        'torch (performance.md).',
        choices=('auto', 'torch', 'onnxruntime'), read_only=True,
    )  # fmt: skip
    inference_threads: int = setting(
        1, 'CPU threads of the network. More help on idle cores only: on busy ones they wait for each other.',
        minimum=1, maximum=256, read_only=True,
    )  # fmt: skip
    odom_frame: str = setting('odom', 'Fixed frame of the published pose (REP 105).', read_only=True)
    base_frame: str = setting('base_link', 'Moving frame of the published pose and frame of the twist.', read_only=True)
    rig: str = setting(
        '', 'File that describes the robot: a rig.yaml, or the camchain-imucam.yaml of Kalibr. Parameters win over it.',
        read_only=True,
    )  # fmt: skip
    camera_height: float | None = setting(
        None, 'Height of the camera over the ground [m]. Unset: rig file, or base_footprint in /tf_static.',
        minimum=0.05, maximum=10.0, read_only=True,
    )  # fmt: skip
    base_to_camera: tuple[float, ...] = setting(
        (), 'Pose of the optical camera frame in base_frame: x y z [m], qx qy qz qw. Unset: rig file, or /tf_static.',
        read_only=True,
    )  # fmt: skip
    base_to_imu: tuple[float, ...] = setting(
        (), 'Pose of the IMU frame in base_frame: x y z [m], qx qy qz qw; its rotation turns the readings into base '
        'axes. Unset: rig file, or /tf_static.',
        read_only=True,
    )  # fmt: skip
    imu_time_offset: float | None = setting(
        None, 'Added to IMU stamps to bring them to the clock of the images [s]. Unset: rig file, or 0.',
        minimum=-10.0, maximum=10.0, read_only=True,
    )  # fmt: skip
    gyro_lag: float | None = setting(
        None, 'How late the gyro shows what it measures, by its filter [s]. Unset: rig file, or 0.',
        minimum=-0.5, maximum=1.0, read_only=True,
    )  # fmt: skip
    accelerometer_lag: float | None = setting(
        None, 'How late the accelerometer shows what it measures, by its filter [s]. Unset: rig file, or 0.',
        minimum=-0.5, maximum=1.0, read_only=True,
    )  # fmt: skip
    readout_time: float | None = setting(
        None, 'Of a rolling shutter, from the first row to the last [s]. Unset: rig file, or 0.',
        minimum=0.0, maximum=0.2, read_only=True,
    )  # fmt: skip
    gyro_bias: tuple[float, ...] = setting(
        (), 'What the gyro shows at rest [rad/s]: x y z in the IMU frame. Unset: rig file, or 0.', read_only=True
    )
    extrinsics_from_tf: bool = setting(
        False,
        'Take the poses of camera and IMU from /tf_static, whatever else describes them, and wait until it has them.',
        read_only=True,
    )
    publish_tf: bool = setting(True, 'Broadcast odom_frame -> base_frame. Turn off when an EKF does it.')
    invert_tf: bool = setting(
        False, 'Broadcast base_frame -> odom_frame instead, for trees in which base_frame has another parent already.'
    )
    publish_path: bool = setting(True, 'Publish the path for RViz.')
    path_length: int = setting(2000, 'Poses kept in the published path.', minimum=1, maximum=100_000)
    publish_predicted: bool = setting(
        False, 'Publish odometry/predicted, the odometry at every IMU reading.', read_only=True
    )
    predicted_tf: bool = setting(
        False, 'Broadcast the transform from odometry/predicted, at its rate, instead of at the images.', read_only=True
    )
    predicted_smoothing: float = setting(
        0.1, 'Time in which two thirds of the correction by a new image come into odometry/predicted [s]; 0: at once.',
        minimum=0.0, maximum=10.0, read_only=True,
    )  # fmt: skip
    predicted_rate: float = setting(
        400.0, 'Messages a second on odometry/predicted at most.', minimum=1.0, maximum=1000.0, read_only=True
    )
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

    def __post_init__(self) -> None:
        _ = self.robot  # refuse bad numbers now, not at the first image
        if self.estimator not in ('', *ESTIMATORS):
            raise SettingsError(f'estimator must be {", ".join(ESTIMATORS)} or empty, not {self.estimator!r}.')
        if self.estimator == 'geometry' and self.model:
            raise SettingsError('estimator is geometry, which takes no model file. Leave model empty, or set road.')
        for name in ('odom_frame', 'base_frame'):
            frame = getattr(self, name)
            if not frame or frame.startswith('/') or frame != frame.strip():
                raise SettingsError(f"{name} must be a frame's name without a leading /, not {frame!r}.")
        if self.odom_frame == self.base_frame:
            raise SettingsError(f'odom_frame and base_frame are both {self.odom_frame!r}. Give them different names.')
        if self.predicted_tf and not self.publish_predicted:
            raise SettingsError('predicted_tf needs publish_predicted: set both, or neither.')
        if self.max_imu_gap >= self.max_image_gap:
            raise SettingsError(
                f'max_imu_gap ({self.max_imu_gap} s) must be below max_image_gap ({self.max_image_gap} s): '
                'frame pairs without any IMU reading would be accepted. Lower max_imu_gap.'
            )

    @property
    def robot(self) -> RigPart:
        """What the parameters say of the robot. Raises CalibrationError where that is impossible."""
        return RigSettings(**{name: getattr(self, name) for name in OF_THE_ROBOT}).part('parameters')

    @property
    def limits(self) -> PairingLimits:
        """How much irregularity of the streams is bridged."""
        return PairingLimits(
            max_imu_gap_ns=round(self.max_imu_gap * NANOSECONDS),
            max_image_gap_ns=round(self.max_image_gap * NANOSECONDS),
            max_wait_ns=round(self.max_wait * NANOSECONDS),
        )


def declare_parameters(node: Node) -> NodeParameters:
    """Declare all parameters on the node and read them.

    Raises SettingsError or CalibrationError naming the parameter and the fix.
    """
    types = typing.get_type_hints(NodeParameters)
    given = given_parameters(node)
    decimals, values = {}, {}
    for field in dataclasses.fields(NodeParameters):
        descriptor = _descriptor(field, types[field.name])
        kind = Parameter.Type(descriptor.type)
        unset = field.default is None or field.default == ()
        default = kind if unset else field.default  # a type declares it without a value
        decimals[field.name] = kind
        override = as_decimal(given.get(field.name), kind)
        try:
            if override is not None and override.type_ == kind:
                value = node.declare_parameter(field.name, override.value, descriptor, ignore_override=True).value
            else:
                value = node.declare_parameter(field.name, default, descriptor).value
        except (InvalidParameterTypeException, InvalidParameterValueException) as error:
            raise SettingsError(
                f'Parameter {field.name}: {" ".join(str(error).split()).rstrip(".")}. Correct it.'
            ) from error
        if value is not None:
            values[field.name] = check(_plain(value, field), types[field.name], field.metadata, field.name)
    take_whole_numbers(node, decimals)
    if words := misspelt(given, [name for name in (*decimals, *given) if node.has_parameter(name)]):
        node.get_logger().warning(words)
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
            value = check(_plain(change.value, field), types[field.name], field.metadata, field.name)
            if configured and field.metadata['read_only'] and value != getattr(parameters, field.name):
                raise SettingsError(
                    f'{field.name} is fixed while the node is configured. `ros2 lifecycle set NODE deactivate`, then '
                    '`cleanup`, set it and configure again; or give it at start.'
                )
            checked[field.name] = value
        return dataclasses.replace(parameters, **checked), SetParametersResult(successful=True)
    except AtvioError as error:
        return parameters, SetParametersResult(successful=False, reason=str(error))


def _plain(given: Any, field: dataclasses.Field[Any]) -> Any:
    """A parameter's value as settings take it: ROS gives numbers as an array.array."""
    return list(given) if isinstance(field.default, tuple) and given is not None else given


def _descriptor(field: dataclasses.Field[Any], expected: Any) -> ParameterDescriptor:
    metadata = field.metadata
    choices = metadata['choices']
    constraints = [f'one of: {", ".join(choices)}'] if choices else []
    if metadata['read_only']:
        constraints.append('fixed while configured')
    if field.default is None or field.default == ():
        constraints.append('no default')
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
        float | None: ParameterType.PARAMETER_DOUBLE,
    }.get(expected, ParameterType.PARAMETER_DOUBLE_ARRAY)
    return descriptor
