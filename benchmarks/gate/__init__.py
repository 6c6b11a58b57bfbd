"""How often `roundoff check` is right."""
