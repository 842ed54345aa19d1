"""CloudEvents 1.0: events of the log, and requests and responses that become events in pairs.

Protects: a message is durable before it is acknowledged; a pair becomes the same events once, in
any order, however often its messages are sent, and although a worker is killed in between.
"""
