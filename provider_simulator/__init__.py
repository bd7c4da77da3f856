"""A DOTS server that plays a mitigation provider: for demonstrations, tests and drills."""
