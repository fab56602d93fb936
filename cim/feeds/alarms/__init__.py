"""Alarms: rules as data, judged by pure functions, in the transaction that takes the readings."""
