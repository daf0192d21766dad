"""What is drawn from a camera's image: level virtual cameras, and the road seen from above."""
