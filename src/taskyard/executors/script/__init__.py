"""Running code that definitions bring along, at the targets there are."""
