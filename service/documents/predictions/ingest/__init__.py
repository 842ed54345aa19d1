"""Log predictions: one, a batch or a stream, each acknowledged when it is durable."""
