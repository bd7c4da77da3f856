"""Django's PostgreSQL backend for servers that fail over and connection poolers: the ENGINE of our
settings.
"""
