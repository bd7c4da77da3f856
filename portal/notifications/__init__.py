"""Notices: what happened, told to people and to the systems of their organization."""
