"""Drives: images, IMU and truth from KITTI's files, bags or the renderer, to bags and to training data."""
