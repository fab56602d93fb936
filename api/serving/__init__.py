"""What every request passes through, as plain ASGI; outermost first: edge, headers, packing, rates,
bodies, heavy, leaving, deadline, guard."""
