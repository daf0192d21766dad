"""Data that several tests share: bags, KITTI folders, prepared sequences, streams, trajectories, and bombs."""
