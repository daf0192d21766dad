"""Bags, drives and rendered scenes, and the training samples made of them."""
