"""Visual-inertial odometry beside your stack: atvio_node; RViz and Foxglove on request. `--show-args` explains all."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterFile, ParameterValue
from launch_ros.substitutions import FindPackageShare

from atvio_ros.ros import launching

SHARE = FindPackageShare('atvio_ros')
BOOLEAN = ['true', 'false', 'True', 'False']

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
        choices=['', 'road', 'geometry', 'network'],
        description='What makes the odometry; empty: as in params_file (network where a model is named, else road).',
    ),
    DeclareLaunchArgument(
        'model', default_value='', description='Model file (.safetensors, .onnx); empty: as in params_file.'
    ),
    DeclareLaunchArgument(
        'device',
        default_value='',
        choices=['', 'auto', 'cuda', 'cpu'],
        description='Where the network runs; empty: as in params_file (auto by default).',
    ),
    DeclareLaunchArgument(
        'backend',
        default_value='',
        choices=['', 'auto', 'torch', 'onnxruntime'],
        description='What runs the network; empty: as in params_file (auto by default).',
    ),
    DeclareLaunchArgument(
        'autostart',
        default_value='',
        choices=['', 'true', 'false'],
        description='false: wait for lifecycle transitions from outside; empty: as in params_file (true by default).',
    ),
    DeclareLaunchArgument(
        'publish_tf',
        default_value='',
        choices=['', 'true', 'false'],
        description='Broadcast odom -> base_link; empty: as in params_file (true by default).',
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='false',
        choices=BOOLEAN,
        description='Take time from /clock (replayed bags).',
    ),
    DeclareLaunchArgument(
        'rviz',
        default_value='false',
        choices=BOOLEAN,
        description='Show the trajectory in RViz, where it is installed.',
    ),
    DeclareLaunchArgument(
        'rviz_config',
        default_value=PathJoinSubstitution([SHARE, 'config', 'atvio.rviz']),
        description='RViz configuration.',
    ),
    DeclareLaunchArgument(
        'foxglove',
        default_value='false',
        choices=BOOLEAN,
        description='Start foxglove_bridge, where it is installed; config/foxglove.json is a layout for it.',
    ),
    DeclareLaunchArgument(
        'fastdds_profile',
        default_value='',
        description='Fast DDS profile for the node, such as config/fastdds.xml for large best-effort images.',
    ),
    DeclareLaunchArgument('log_level', default_value='info', description='Log level of atvio_node.'),
)


def check(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Refuse arguments that would fail later: what has started by then would be left running."""
    for name in ('params_file', 'rig', 'model', 'fastdds_profile'):
        if path := LaunchConfiguration(name).perform(context):
            launching.existing(name, path)
    if height := LaunchConfiguration('camera_height').perform(context):
        launching.number('camera_height', height, above=0.0)
    return []


def viewers(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """RViz and foxglove_bridge, each where it is asked for and installed; a warning where it is not installed."""
    namespace, image_topic = (LaunchConfiguration(name).perform(context) for name in ('namespace', 'image_topic'))
    sim_time = {'use_sim_time': ParameterValue(LaunchConfiguration('use_sim_time'), value_type=bool)}
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        arguments=['-d', LaunchConfiguration('rviz_config')],
        parameters=[sim_time],
        remappings=launching.shown_topics(namespace, image_topic),
    )
    foxglove = Node(package='foxglove_bridge', executable='foxglove_bridge', parameters=[sim_time], output='screen')
    started: list[LaunchDescriptionEntity] = []
    for name, package, node in (('rviz', 'rviz2', rviz), ('foxglove', 'foxglove_bridge', foxglove)):
        if LaunchConfiguration(name).perform(context).lower() == 'true':
            missing = launching.missing_package(package)
            started.append(LogInfo(msg=f'[WARNING] {missing}') if missing else node)
    return started


def odometry_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """atvio_node. Only arguments that were given override params_file and environment: no substitution says that."""
    names = ('rig', 'estimator', 'model', 'device', 'backend')
    given = {name: LaunchConfiguration(name).perform(context) for name in names}
    overrides: dict[str, str | bool | float] = {name: value for name, value in given.items() if value}
    if height := LaunchConfiguration('camera_height').perform(context):
        overrides['camera_height'] = float(height)
    for name in ('autostart', 'publish_tf'):
        if words := LaunchConfiguration(name).perform(context):
            overrides[name] = words == 'true'
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
    """Arguments, viewers, node. The node comes last: nothing that fails before it leaves it running."""
    steps = (check, viewers, odometry_node)
    return LaunchDescription([*ARGUMENTS, *(OpaqueFunction(function=step) for step in steps)])
