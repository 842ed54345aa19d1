"""The benchmarks of `make bench`. Only ratios within one run are comparable between machines."""
