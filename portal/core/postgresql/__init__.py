"""Django's PostgreSQL backend for servers that fail over and for connection poolers; settings use
it as ENGINE.
"""
