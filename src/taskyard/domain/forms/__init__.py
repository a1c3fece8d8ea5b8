"""Forms: one description, from a JSON Schema or UI components, that a browser draws and that judges what it sends."""
