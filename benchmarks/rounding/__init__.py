"""How much of summary.json moves from run to run."""
