"""What one store alone has to keep."""
