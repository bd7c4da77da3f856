"""Everything the portal needs, started on one machine: for the demo, the tests and the bench."""
