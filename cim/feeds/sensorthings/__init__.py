"""What clients of SensorThings write, over HTTP or a broker: entities of theirs, and readings."""
