"""Everything the portal stands on is killed, stopped, emptied and lied to, from a seed; then what
must hold is checked.
"""
