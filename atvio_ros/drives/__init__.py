"""Drives from KITTI's files, bags or the renderer, to bags and to training data. Begin with drive.py."""
