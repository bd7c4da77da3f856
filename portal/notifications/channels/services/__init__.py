"""Change channels, send through them, and record what receivers answered."""
