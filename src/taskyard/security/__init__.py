"""Who is asking, and how that is proved: callers, tokens, leases, sessions, origins, and their keys."""
