"""ATVIO: attention guided visual-inertial odometry for ROS 2.

The generated ROS messages (``atvio_ros.msg``) are installed as a second folder of the same package name; extending the
path lets both be found, from the source folder and from an installation alike (docs/architecture.md, "One package").
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
__version__ = '0.3.0'
