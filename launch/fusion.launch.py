"""atvio_node with robot_localization: camera and IMU fused with wheels, and with GPS. `--show-args` explains all."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

from atvio_ros.errors import NodeError
from atvio_ros.ros import launching

SHARE = FindPackageShare('atvio_ros')
BOOLEAN = ['true', 'false', 'True', 'False']

ARGUMENTS = (
    DeclareLaunchArgument('wheels_topic', default_value='/wheel/odometry', description='Odometry of the wheels.'),
    DeclareLaunchArgument(
        'fused_topic', default_value='/odometry/fused', description='Odometry of the filter: output.'
    ),
    DeclareLaunchArgument(
        'gps', default_value='false', choices=BOOLEAN, description='Fuse GPS, too: a second filter, map -> odom.'
    ),
    DeclareLaunchArgument('gps_topic', default_value='/gps/fix', description='NavSatFix, with gps:=true.'),
    DeclareLaunchArgument(
        'tf',
        default_value='filter',
        choices=['filter', 'atvio'],
        description='Who broadcasts odom -> base_link: robot_localization, or atvio_node.',
    ),
    DeclareLaunchArgument(
        'filter_params',
        default_value=PathJoinSubstitution([SHARE, 'config', 'robot_localization.yaml']),
        description='Parameters of robot_localization.',
    ),
    DeclareLaunchArgument('use_sim_time', default_value='false', choices=BOOLEAN, description='Take time from /clock.'),
)


def check(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Refuse what would fail later: what has started by then would be left running."""
    if missing := launching.missing_package('robot_localization'):
        raise NodeError(missing)
    launching.existing('filter_params', LaunchConfiguration('filter_params').perform(context))
    return []


def filters(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """One filter in odom, and with GPS another in map with the node that turns fixes into positions."""
    sim_time = {'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)}
    parameters = ParameterFile(LaunchConfiguration('filter_params'), allow_substs=True)
    by_filter = LaunchConfiguration('tf').perform(context) == 'filter'
    wheels = ('wheel/odometry', LaunchConfiguration('wheels_topic'))
    fused = LaunchConfiguration('fused_topic')

    def node(executable: str, name: str, more: dict[str, bool], remappings: list[tuple]) -> Node:
        return Node(
            package='robot_localization',
            executable=executable,
            name=name,
            parameters=[parameters, {**sim_time, **more}],
            remappings=remappings,
            output='screen',
        )

    made = [node('ekf_node', 'ekf_filter_node_odom', {'publish_tf': by_filter}, [wheels, ('odometry/filtered', fused)])]
    if LaunchConfiguration('gps').perform(context).lower() == 'true':
        in_map = ('odometry/filtered', 'odometry/filtered/map')
        made.append(node('ekf_node', 'ekf_filter_node_map', {}, [wheels, in_map]))
        fix = ('gps/fix', LaunchConfiguration('gps_topic'))
        made.append(node('navsat_transform_node', 'navsat_transform_node', {}, [fix, in_map]))
    return made


def odometry(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """atvio.launch.py, whose arguments are taken as well. One of the two broadcasts odom -> base_link."""
    broadcasts = 'true' if LaunchConfiguration('tf').perform(context) == 'atvio' else 'false'
    return [
        IncludeLaunchDescription(
            PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, 'launch', 'atvio.launch.py'])),
            launch_arguments=[('publish_tf', broadcasts), ('use_sim_time', LaunchConfiguration('use_sim_time'))],
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, then odometry, then the filters."""
    return LaunchDescription([*ARGUMENTS, *(OpaqueFunction(function=step) for step in (check, odometry, filters))])
