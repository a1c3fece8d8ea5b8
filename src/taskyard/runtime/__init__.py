"""The running process: the worker and its loops, the periodic services, and who leads them."""
