"""Training the network: the robust loss of the paper and the Lightning recipe around it."""
