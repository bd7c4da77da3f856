"""One module per source: how its records become alerts."""
