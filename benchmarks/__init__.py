"""What is timed, against whom, in one run: `python -m benchmarks.training_step`, `.time_to_quality`, `.evaluation`."""
