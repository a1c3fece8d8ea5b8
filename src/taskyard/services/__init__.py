"""The other services of a platform: each called behind its own breaker, each with what holds while it is away."""
