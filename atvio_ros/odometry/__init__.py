"""Streams of images and IMU readings to odometry. Knows neither ROS nor, but for the estimator, the network."""
