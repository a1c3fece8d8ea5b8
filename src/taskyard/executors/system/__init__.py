"""System functions: ready-made, and each allowed to do only what is granted to it."""
