"""People, opened by a proof: run as the role that may read what was opened, one call each.

The database weighs who asks, logs it, and shows what was opened: `cim/store/rules/people.sql`.
"""

from cim.store.queries.ready import Ready

show = Ready(
    "SELECT pii.show(:proof, :purpose, :what, :id, :numbers, :plain, :address, :request)::text",
    proof="text",
    purpose="text",
    what="text",
    id="bigint",
    numbers="bytea[]",
    plain="boolean",
    address="text",
    request="text",
)
"""Residents of a unit or an address, or who has a document of one of these keyed hashes: JSON, or
`refused`."""

tell = Ready(
    "SELECT pii.tell(:proof, :numbers, :reference, :address, :request)::text",
    proof="text",
    numbers="bytea[]",
    reference="text",
    address="text",
    request="text",
)
"""All that is kept of who has a document of one of these keyed hashes: JSON, or `refused`."""

erase = Ready(
    "SELECT security.request_of_person(:proof, 'erase', :numbers, :reference, :aside, :address,"
    " :request)::text",
    proof="text",
    numbers="bytea[]",
    reference="text",
    aside="bigint[]",
    address="text",
    request="text",
)
"""Take that person out, and some rows set aside with them: JSON of how many, or `refused`."""
