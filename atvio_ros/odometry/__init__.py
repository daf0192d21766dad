"""Streams of images and IMU readings to odometry. Imports no ROS and, but for the estimators and peers, no network."""
