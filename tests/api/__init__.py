"""The HTTP door, in process and over real sockets."""
