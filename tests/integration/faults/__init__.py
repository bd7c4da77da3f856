"""Kill, stop, empty and corrupt everything the portal depends on, driven by a seed; then check the
invariants.
"""
