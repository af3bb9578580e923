"""Benchmarks of the road from a call to its answer; `python -m bench` runs them."""
