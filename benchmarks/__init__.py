"""What `make bench` runs: ratios within one run, for a figure by itself means nothing here."""
