"""What the launch files ask before they start anything: what fails later leaves the processes before it running."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix

from atvio_ros.errors import SettingsError

# Topics of config/atvio.rviz that atvio_node publishes in its namespace.
SHOWN = ('/odometry', '/path', '/atvio_node/debug_image')
SHOWN_IMAGE = '/camera/image_raw'


def missing_package(name: str) -> str:
    """Why a viewer cannot be started, with the way to have it; '' where its ROS package is installed."""
    try:
        get_package_prefix(name)
    except PackageNotFoundError:
        dashed = name.replace('_', '-')
        return f'{name} is not installed, so it is not started: apt install ros-$ROS_DISTRO-{dashed}'
    return ''


def existing(argument: str, text: str) -> Path:
    """The file or folder that a launch argument names. Raises SettingsError where there is none."""
    path = Path(text).expanduser()
    if not text or not path.exists():
        where = '' if path.is_absolute() else f' (looked for in {Path.cwd()})'
        raise SettingsError(f'{argument}:={text} names no file{where}. Correct the path.')
    return path


def number(argument: str, text: str, above: float | None = None) -> float:
    """The number that a launch argument is. Raises SettingsError on anything else, and where it is not `above`."""
    wanted = 'a number' if above is None else f'a number above {above:g}'
    try:
        value = float(text)
    except ValueError:
        raise SettingsError(f'{argument} must be {wanted}, not {text!r}.') from None
    if above is not None and not value > above:  # NaN is not, either
        raise SettingsError(f'{argument} must be {wanted}, not {text}.')
    return value


def shown_topics(namespace: str, image_topic: str) -> list[tuple[str, str]]:
    """Remappings for the RViz layout, whose topics are absolute: of a node in a namespace, and of other images."""
    remapped = [(topic, resolved(topic.lstrip('/'), namespace)) for topic in SHOWN]
    remapped.append((SHOWN_IMAGE, resolved(image_topic, namespace)))
    return [(shown, actual) for shown, actual in remapped if shown != actual]


def resolved(topic: str, namespace: str) -> str:
    """A topic as ROS resolves it in a namespace, which may be empty and may lack its leading slash."""
    parts = [] if topic.startswith('/') else [namespace.strip('/')]
    return '/' + '/'.join(filter(None, (*parts, topic.strip('/'))))
