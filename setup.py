"""For pip users: training and evaluation without ROS. ROS users build with colcon (package.xml, CMakeLists.txt)."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name='atvio_ros',
    version='0.1.0',
    description='Visual-inertial odometry with the ATVIO network: a ROS 2 node and its training pipeline.',
    long_description=Path('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=['atvio_ros', 'atvio_ros.*']),
    install_requires=[
        'numpy>=1.26',
        'scipy>=1.10',
        'opencv-python-headless>=4.8',
        'PyYAML>=6',
        'torch>=2.1',
        'safetensors>=0.4',
        'rosbags>=0.11',
        'apsw>=3.40',  # rosbags brings these two; bag_limits.py looks into files before it reads them
        'lz4>=4',
        'matplotlib>=3.7',
        'rich>=13',
    ],
    extras_require={
        'train': ['lightning>=2.4', 'tensorboard>=2.14'],
        'render': ['moderngl>=5.10'],
    },
    entry_points={'console_scripts': ['atvio = atvio_ros.cli.main:main']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/atvio_ros']),
        ('share/atvio_ros', ['package.xml']),
        ('share/atvio_ros/config', [str(path) for path in sorted(Path('config').glob('*'))]),
        ('share/atvio_ros/models', [str(path) for path in sorted(Path('models').glob('*'))]),
    ],
)
