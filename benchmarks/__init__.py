"""What is measured beside the pipeline; each folder is a program: `python -m benchmarks.FOLDER`."""
