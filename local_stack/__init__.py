"""Starts everything the portal needs on one machine, for the demo, the tests and the benchmarks."""
