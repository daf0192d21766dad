"""The road estimator: motion measured from geometry; what is learned of it runs in numpy. Imports neither torch nor ROS."""
