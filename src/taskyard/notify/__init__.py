"""Telling those who should know, wherever they are."""
