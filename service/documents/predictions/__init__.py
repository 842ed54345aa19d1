"""The prediction log · MongoDB.

The outputs of models, one immutable event each, and the labels that arrive later. Protects:
an acknowledged event is durable and stored once, however often it is sent. No event is overwritten.
An invalid event never fails the rest of its batch. Nothing here needs PostgreSQL.

reading             one prediction, and pages of the log
ingest              events: one, a batch or a stream
labels              the true outcome of predictions: one, a batch or a stream
cloudevents         events as CloudEvents, and pairs of request and response from model servers
export              the log as NDJSON, CSV or Parquet
tail                the log as server-sent events
apply_retention     the command that applies retention rules to stored events
documents, errors   the stored documents, and the errors that several of these share
"""
