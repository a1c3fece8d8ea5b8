"""Engines that decide what is next, and have it done here."""
