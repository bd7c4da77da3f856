"""Each check is a function of plain data that returns one row."""
