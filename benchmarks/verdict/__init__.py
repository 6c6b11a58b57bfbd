"""How often verdicts are right, and how often intervals cover."""
