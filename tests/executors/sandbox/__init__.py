"""Code that is not ours, in jails of each tier."""
