"""What the platform is: plain values and pure functions. No I/O, clock, chance or async."""
