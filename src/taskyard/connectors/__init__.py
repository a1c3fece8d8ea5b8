"""How events leave to a broker and come from it: one connector a deployment."""
