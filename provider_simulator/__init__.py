"""Simulated mitigation providers and gateways, for demonstrations, tests and drills."""
