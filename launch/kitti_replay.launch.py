"""Replays a bag: atvio_player with /clock and the ground-truth path, atvio_node, RViz. `--show-args` explains."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, IncludeLaunchDescription, RegisterEventHandler, TimerAction
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('atvio_ros')

ARGUMENTS = (
    DeclareLaunchArgument('bag', description='Bag to play, as `atvio export-kitti` or `atvio synthesize` writes it.'),
    DeclareLaunchArgument('rate', default_value='1.0', description='Speed: 1.0 is real time.'),
    DeclareLaunchArgument('loop', default_value='false', description='Start again at the end.'),
    DeclareLaunchArgument('image_topic', default_value='/camera/image_raw', description='Images in the bag.'),
    DeclareLaunchArgument('imu_topic', default_value='/imu/data_raw', description='IMU readings in the bag.'),
    DeclareLaunchArgument(
        'rig', default_value='', description='File that describes the robot, over what the bag says.'
    ),
    DeclareLaunchArgument(
        'camera_height', default_value='', description='Height of the camera [m], where neither rig nor bag says it.'
    ),
    DeclareLaunchArgument('estimator', default_value='', description='road or network; empty: the default.'),
    DeclareLaunchArgument('model', default_value='', description='Model file (.safetensors); empty: the default.'),
    DeclareLaunchArgument('device', default_value='', description='auto, cuda or cpu; empty: auto.'),
    DeclareLaunchArgument('rviz', default_value='true', description='Show the trajectory in RViz.'),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution([SHARE, 'config', 'kitti.yaml']),
        description='Parameters of atvio_node.',
    ),
)


def generate_launch_description() -> LaunchDescription:
    """Arguments, then node and RViz, then the player; everything ends a little after the player does."""
    odometry = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, 'launch', 'atvio.launch.py'])),
        launch_arguments={
            **{
                name: LaunchConfiguration(name)
                for name in (
                    'image_topic',
                    'imu_topic',
                    'rig',
                    'camera_height',
                    'estimator',
                    'model',
                    'device',
                    'rviz',
                    'params_file',
                )
            },
            'use_sim_time': 'true',
        }.items(),
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
    finish = RegisterEventHandler(
        OnProcessExit(
            target_action=player,
            on_exit=[TimerAction(period=3.0, actions=[EmitEvent(event=Shutdown(reason='the bag has ended'))])],
        )
    )
    return LaunchDescription([*ARGUMENTS, odometry, player, finish])
