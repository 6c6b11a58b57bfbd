"""Five networks at 224 × 224 with 1,000 classes: what they cost, on two cores and on a GPU."""
