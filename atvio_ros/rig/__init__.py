"""The robot, described once: camera, IMU, where they sit, how high, and how their clocks relate."""
