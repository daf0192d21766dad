"""Trajectory -> numbers and pictures: KITTI's t_rel and r_rel, ATE, RPE, tables, plots and files."""
