"""CloudEvents and KServe's request and response messages, paired into one event."""
