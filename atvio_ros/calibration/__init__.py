"""Measures a robot from data: arrays in, numbers with their standard errors out. No files, no networks."""
