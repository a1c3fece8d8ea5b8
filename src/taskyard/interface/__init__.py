"""The built browser interface: the files that `ui/build.py` makes of the sources in `ui/`."""
