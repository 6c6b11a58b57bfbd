"""Whether sensitivity names the right tensors, and what a mixed precision costs beside other ways to choose it."""
