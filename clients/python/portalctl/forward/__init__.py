"""`portalctl forward`: from the lines of a log to alerts, aggregated."""
