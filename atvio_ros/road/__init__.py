"""The road estimator: motion measured from geometry, without training. Imports neither torch nor ROS."""
