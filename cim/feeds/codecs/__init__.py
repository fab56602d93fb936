"""Bytes of devices, and what they mean: tables that we read, scripts that run elsewhere.

* `table`: a kind of device as data, read here in microseconds
* `pool`: scripts of makers (JavaScript, `decodeUplink`), run in child processes that can do nothing
"""
