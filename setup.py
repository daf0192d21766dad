"""The files that a pip installation has beside the Python code; all else is in pyproject.toml.

For training and evaluation without ROS. ROS users build with colcon (package.xml, CMakeLists.txt).
"""

from pathlib import Path

from setuptools import setup


def shared(folder: str) -> list[tuple[str, list[str]]]:
    """(where it is installed, files) of a folder and of those in it."""
    files: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob('*')):
        if path.is_file():
            files.setdefault(f'share/atvio_ros/{path.parent.as_posix()}', []).append(path.as_posix())
    return list(files.items())


setup(
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/atvio_ros']),
        ('share/atvio_ros', ['package.xml']),
        *shared('config'),
        *shared('models'),
    ]
)
