"""Each check is a function of plain data: what is known in, one row out."""
