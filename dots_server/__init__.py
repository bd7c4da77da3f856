"""A DOTS server (RFC 9132)."""
