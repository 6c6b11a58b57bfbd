"""What runs on a GPU, held against the least that could be done, and against itself over time."""
