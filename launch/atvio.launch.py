"""Visual-inertial odometry beside your stack: atvio_node, RViz on request. `--show-args` explains every argument."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('atvio_ros')

ARGUMENTS = (
    DeclareLaunchArgument('image_topic', default_value='/camera/image_raw', description='Images to subscribe to.'),
    DeclareLaunchArgument('imu_topic', default_value='/imu/data_raw', description='IMU readings to subscribe to.'),
    DeclareLaunchArgument(
        'camera_info_topic',
        default_value='/camera/camera_info',
        description='CameraInfo of these images; not needed where a rig file describes the camera.',
    ),
    DeclareLaunchArgument('namespace', default_value='', description='Namespace of the node and of its output topics.'),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution([SHARE, 'config', 'atvio.yaml']),
        description='Parameters of atvio_node. Arguments given here win over it.',
    ),
    DeclareLaunchArgument(
        'rig', default_value='', description='File that describes the robot (rig.yaml); empty: as in params_file.'
    ),
    DeclareLaunchArgument(
        'camera_height',
        default_value='',
        description='Height of the camera over the ground [m]; empty: as in params_file, rig or /tf_static.',
    ),
    DeclareLaunchArgument(
        'estimator',
        default_value='',
        choices=['', 'road', 'network'],
        description='What makes the odometry; empty: as in params_file (network where a model is named, else road).',
    ),
    DeclareLaunchArgument(
        'model', default_value='', description='Model file (.safetensors); empty: as in params_file.'
    ),
    DeclareLaunchArgument(
        'device',
        default_value='',
        choices=['', 'auto', 'cuda', 'cpu'],
        description='Where the network runs; empty: as in params_file (auto by default).',
    ),
    DeclareLaunchArgument(
        'autostart',
        default_value='',
        choices=['', 'true', 'false'],
        description='false: wait for lifecycle transitions from outside; empty: as in params_file (true by default).',
    ),
    DeclareLaunchArgument('use_sim_time', default_value='false', description='Take time from /clock (replayed bags).'),
    DeclareLaunchArgument('rviz', default_value='false', description='Show the trajectory in RViz.'),
    DeclareLaunchArgument(
        'rviz_config',
        default_value=PathJoinSubstitution([SHARE, 'config', 'atvio.rviz']),
        description='RViz configuration.',
    ),
    DeclareLaunchArgument(
        'fastdds_profile',
        default_value='',
        description='Fast DDS profile for the node, such as config/fastdds.xml for large best-effort images.',
    ),
    DeclareLaunchArgument('log_level', default_value='info', description='Log level of atvio_node.'),
)


def odometry_node(context: LaunchContext) -> list[Node]:
    """atvio_node. Only arguments that were given override params_file and environment: no substitution says that."""
    names = ('rig', 'estimator', 'model', 'device')
    given = {name: LaunchConfiguration(name).perform(context) for name in names}
    overrides: dict[str, str | bool | float] = {name: value for name, value in given.items() if value}
    if height := LaunchConfiguration('camera_height').perform(context):
        overrides['camera_height'] = float(height)
    if autostart := LaunchConfiguration('autostart').perform(context):
        overrides['autostart'] = autostart == 'true'
    profile = LaunchConfiguration('fastdds_profile').perform(context)
    sim_time = ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)
    return [
        Node(
            package='atvio_ros',
            executable='atvio_node',
            name='atvio_node',
            namespace=LaunchConfiguration('namespace'),
            parameters=[
                ParameterFile(LaunchConfiguration('params_file'), allow_substs=True),
                {'use_sim_time': sim_time, **overrides},
            ],
            remappings=[(name, LaunchConfiguration(f'{name}_topic')) for name in ('image', 'imu', 'camera_info')],
            arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')],
            additional_env={'FASTDDS_DEFAULT_PROFILES_FILE': profile} if profile else None,
            output='screen',
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, then the node, then RViz."""
    return LaunchDescription(
        [
            *ARGUMENTS,
            OpaqueFunction(function=odometry_node),
            Node(
                package='rviz2',
                executable='rviz2',
                arguments=['-d', LaunchConfiguration('rviz_config')],
                parameters=[{'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)}],
                condition=IfCondition(LaunchConfiguration('rviz')),
            ),
        ]
    )
