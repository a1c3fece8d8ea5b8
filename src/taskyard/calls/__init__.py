"""How calls to other systems are repeated, and cut off while these fail."""
