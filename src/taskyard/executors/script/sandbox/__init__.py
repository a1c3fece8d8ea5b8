"""This machine as a target: fresh, one-use jails, in the strongest tier that a probe has found to hold."""
