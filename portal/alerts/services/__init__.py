"""What changes endpoints, and what happens to a payload from its arrival to its alerts."""
