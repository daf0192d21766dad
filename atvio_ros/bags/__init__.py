"""Bags: ROS 1, rosbag2 (sqlite3, mcap) in, rosbag2 (mcap) out, with `rosbags`, no ROS needed."""
