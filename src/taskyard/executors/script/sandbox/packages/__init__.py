"""Packages that code depends on: resolved and installed outside of any jail, once, and shown to jails to be read."""
