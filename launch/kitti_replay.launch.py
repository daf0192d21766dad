"""Replays a bag: atvio_player with /clock and the ground-truth path, atvio_node, RViz. `--show-args` explains."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

from atvio_ros.ros import launching

SHARE = FindPackageShare('atvio_ros')
BOOLEAN = ['true', 'false', 'True', 'False']
PASSED_ON = (
    'image_topic', 'imu_topic', 'rig', 'camera_height', 'estimator', 'model', 'device', 'backend', 'params_file',
    'use_sim_time', 'rviz', 'foxglove',
)  # fmt: skip
AFTER_THE_BAG_S = 3.0  # the last images are still on their way

ARGUMENTS = (
    DeclareLaunchArgument('bag', description='Bag to play, as `atvio export-kitti` or `atvio synthesize` writes it.'),
    DeclareLaunchArgument('rate', default_value='1.0', description='Speed: 1.0 is real time.'),
    DeclareLaunchArgument('loop', default_value='false', choices=BOOLEAN, description='Start again at the end.'),
    DeclareLaunchArgument('image_topic', default_value='/camera/image_raw', description='Images in the bag.'),
    DeclareLaunchArgument('imu_topic', default_value='/imu/data_raw', description='IMU readings in the bag.'),
    DeclareLaunchArgument(
        'rig', default_value='', description='File that describes the robot, over what the bag says.'
    ),
    DeclareLaunchArgument(
        'camera_height', default_value='', description='Height of the camera [m], where neither rig nor bag says it.'
    ),
    DeclareLaunchArgument('estimator', default_value='', description='road or network; empty: the default.'),
    DeclareLaunchArgument(
        'model', default_value='', description='Model file (.safetensors, .onnx); empty: the default.'
    ),
    DeclareLaunchArgument('device', default_value='', description='auto, cuda or cpu; empty: auto.'),
    DeclareLaunchArgument('backend', default_value='', description='auto, torch or onnxruntime; empty: auto.'),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='true',
        choices=BOOLEAN,
        description='Take time from /clock, which the player sends.',
    ),
    DeclareLaunchArgument(
        'rviz', default_value='true', choices=BOOLEAN, description='Show the trajectory in RViz, where it is installed.'
    ),
    DeclareLaunchArgument(
        'foxglove', default_value='false', choices=BOOLEAN, description='Start foxglove_bridge, where it is installed.'
    ),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution([SHARE, 'config', 'kitti.yaml']),
        description='Parameters of atvio_node.',
    ),
)


def check(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Refuse arguments that would fail later: what has started by then would be left running."""
    launching.existing('bag', LaunchConfiguration('bag').perform(context))
    launching.number('rate', LaunchConfiguration('rate').perform(context), above=0.0)
    return []


def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The end of a process: the player's ends everything a little later; a failure, of the player or node, at once."""
    name = event.process_name.rpartition('-')[0]
    if context.is_shutdown or name not in ('atvio_player', 'atvio_node'):
        return []
    if name == 'atvio_player' and event.returncode == 0:
        return [TimerAction(period=AFTER_THE_BAG_S, actions=[EmitEvent(event=Shutdown(reason='the bag has ended'))])]
    # Only an error makes `ros2 launch` end with another status than 0.
    raise RuntimeError(f'{name} ended with status {event.returncode}; its last line says why')


def generate_launch_description() -> LaunchDescription:
    """Arguments, then viewers and node, then the player, which waits for the node."""
    odometry = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, 'launch', 'atvio.launch.py'])),
        launch_arguments=[(name, LaunchConfiguration(name)) for name in PASSED_ON],
    )
    player = Node(
        package='atvio_ros',
        executable='atvio_player',
        parameters=[
            {
                'bag': ParameterValue(LaunchConfiguration('bag'), value_type=str),
                'image_topic': ParameterValue(LaunchConfiguration('image_topic'), value_type=str),
                'imu_topic': ParameterValue(LaunchConfiguration('imu_topic'), value_type=str),
                'rate': ParameterValue(LaunchConfiguration('rate'), value_type=float),
                'loop': ParameterValue(LaunchConfiguration('loop'), value_type=bool),
            }
        ],
        output='screen',
    )
    ends = RegisterEventHandler(OnProcessExit(on_exit=on_exit))
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=check), ends, odometry, player])
