"""CQL2 as conditions: an allow-list, from a parsed filter to expressions with bound values.

Nothing that a caller writes reaches SQL as text: properties are looked up among those of the
collection, operators among those here, and every value is a parameter with a type. What is
neither is refused by its name.
"""
