"""Alerts from detectors: each source's payload in one normal form."""
