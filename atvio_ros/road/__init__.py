"""The road estimator: motion from geometry, and what is learned of it in numpy. Imports neither torch nor ROS."""
