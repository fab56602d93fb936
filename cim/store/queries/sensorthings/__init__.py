"""SensorThings: what is asked, as a tree; read from URLs, compiled to bound statements.

Nothing that a caller writes reaches SQL as text: sets, properties, links, functions and operators
are looked up among those here, and every value is a parameter with a type.
"""
