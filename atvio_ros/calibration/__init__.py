"""What data tell of a robot: arrays in, numbers with their errors out. Knows neither files nor networks."""
