"""Django's PostgreSQL, for servers that fail over and poolers in between: the ENGINE of our settings (portal.env)."""
