"""Labels that arrive late, are revised, or come first: a history and the latest value.

Protects: no label is lost or stored twice; the order, number and way of deliveries do not matter;
an invalid label never takes the rest of its batch with it.
"""
