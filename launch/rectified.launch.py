"""atvio_node on images that image_proc rectifies, in a container that your driver may join. `--show-args` explains."""

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import ComposableNodeContainer
from launch_ros.descriptions import ComposableNode
from launch_ros.substitutions import FindPackageShare

from atvio_ros.errors import NodeError
from atvio_ros.ros import launching

SHARE = FindPackageShare('atvio_ros')

ARGUMENTS = (
    DeclareLaunchArgument('raw_topic', default_value='/camera/image_raw', description='Images of the camera.'),
    DeclareLaunchArgument(
        'camera_info_topic', default_value='/camera/camera_info', description='CameraInfo of these images.'
    ),
    DeclareLaunchArgument(
        'rectified_topic',
        default_value='/camera/image_rect',
        description='Rectified images. The last part begins with image_rect: by that atvio_node tells them from raw.',
    ),
    DeclareLaunchArgument('container', default_value='camera_container', description='Name of the container.'),
)


def check(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Refuse what would fail later: what has started by then would be left running."""
    for package in ('image_proc', 'rclcpp_components'):
        if missing := launching.missing_package(package):
            raise NodeError(missing)
    return []


def generate_launch_description() -> LaunchDescription:
    """Arguments, then the container, then atvio.launch.py, whose arguments are taken as well."""
    rectify = ComposableNode(
        package='image_proc',
        plugin='image_proc::RectifyNode',
        name='rectify',
        remappings=[
            ('image', LaunchConfiguration('raw_topic')),
            ('camera_info', LaunchConfiguration('camera_info_topic')),
            ('image_rect', LaunchConfiguration('rectified_topic')),
        ],
        extra_arguments=[{'use_intra_process_comms': True}],
    )
    container = ComposableNodeContainer(
        name=LaunchConfiguration('container'),
        namespace='',
        package='rclcpp_components',
        executable='component_container',
        composable_node_descriptions=[rectify],
        output='screen',
    )
    odometry = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, 'launch', 'atvio.launch.py'])),
        launch_arguments=[('image_topic', LaunchConfiguration('rectified_topic'))],
    )
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=check), odometry, container])
