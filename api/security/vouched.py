"""From what a provider says of somebody to the roles and areas they have here."""

from typing import Any

from api.security.provider import refused
from cim.security.sessions import Vouched
from cim.settings import Settings


def at(claims: dict[str, Any], path: str) -> list[str]:
    """The words that stand at a dotted path; a text is split at its spaces.

    >>> at({"realm_access": {"roles": ["a", "b"]}}, "realm_access.roles")
    ['a', 'b']
    >>> at({"scope": "a b"}, "scope"), at({}, "roles"), at({"roles": 7}, "roles")
    (['a', 'b'], [], [])
    """
    found: Any = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, str):
        return found.split()
    return [word for word in found if isinstance(word, str)] if isinstance(found, list) else []


def roles(claims: dict[str, Any], settings: Settings) -> tuple[str, ...]:
    """The roles here of the roles there, as the settings pair them; others count for nothing."""
    paired = settings.oidc_roles
    there = at(claims, settings.oidc_roles_claim)
    return tuple(dict.fromkeys(paired[name] for name in there if name in paired))


def codes(claims: dict[str, Any], settings: Settings) -> list[str] | None:
    """Codes of the areas and grids they are confined to; None where the settings ask for none.

    Where they ask and the claim is missing that is nowhere.
    """
    return at(claims, settings.oidc_areas_claim) if settings.oidc_areas_claim else None


def person(claims: dict[str, Any], settings: Settings) -> Vouched:
    """Who it is; UnknownKey where that is not said. Areas are for the store to find."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) < 256:
        raise refused()
    # By the subject, which is nobody else's ever; what people are called may be given anew.
    return Vouched(f"{settings.oidc_issuer}|{subject}", f"oidc:{subject}", roles(claims, settings))
