"""The ROS 2 side, and the only folder that imports rclpy or message packages: convert, call, convert, publish."""
