"""An OpenID Connect provider: what it says of itself, its keys, and the tokens that it signs.

Asked are its discovery document, its keys, its token and its userinfo endpoint, and nothing else;
each address but the first comes from the document, whose issuer must be the configured one.
"""

import asyncio
import time
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from cim.errors import BadSetting, NeighbourError, UnknownKey
from cim.settings import Settings

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "EdDSA",
)
"""Signatures by a key that only the provider has; never `none`, never a shared secret."""

LEEWAY: Final = 30
"""Seconds that the provider's clock may be off."""

AGE: Final = 3600.0
"""Seconds after which the document and the keys are asked for again."""

PAUSE: Final = 30.0
"""Seconds between two questions for keys, however many tokens name one that is not known."""

PATIENCE: Final = 10.0

ANYBODY = httpx2.USE_CLIENT_DEFAULT

Claims = dict[str, Any]


class Provider:
    """One provider, asked when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        """Of the settings; BadSetting where its issuer cannot be trusted."""
        self.settings, self.issuer = settings, settings.oidc_issuer
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise BadSetting(
                "CIM_OIDC_ISSUER must begin with https://",
                "CIM_OIDC_ISSUER 必须以 https:// 开头",
            )
        self.name = settings.oidc_name or str(parts.hostname)
        self._http = httpx2.AsyncClient(timeout=PATIENCE, follow_redirects=False)
        self._known: tuple[float, Claims] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        """Let go of its connections."""
        await self._http.aclose()

    async def document(self) -> Claims:
        """What it says of itself; NeighbourError where it does not answer, or as another."""
        if self._known is None or time.monotonic() - self._known[0] > AGE:
            found = await self._ask(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found.get("issuer") != self.issuer:
                raise silent()
            self._known = (time.monotonic(), found)
        return self._known[1]

    async def exchange(self, code: str, verifier: str, redirect: str) -> tuple[str, str | None]:
        """The id token and the access token of a code; UnknownKey where it is not good."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": verifier,
            "client_id": self.settings.oidc_client_id,
        }
        secret = self.settings.oidc_client_secret
        given = secret.get_secret_value() if secret else ""
        basic = httpx2.BasicAuth(self.settings.oidc_client_id, given) if given else ANYBODY
        address = (await self.document())["token_endpoint"]
        try:
            answer = await self._http.post(address, data=form, auth=basic)
        except httpx2.HTTPError as error:
            raise silent() from error
        told = _object(answer) if answer.status_code == 200 else {}
        if not isinstance(told.get("id_token"), str):
            raise refused()
        access = told.get("access_token")
        return told["id_token"], access if isinstance(access, str) else None

    async def person(self, access: str | None) -> Claims:
        """What it says of whoever an access token is for; nothing where it does not say."""
        address = (await self.document()).get("userinfo_endpoint")
        if access is None or address is None:
            return {}
        try:
            answer = await self._http.get(address, headers={"Authorization": f"Bearer {access}"})
        except httpx2.HTTPError as error:
            raise silent() from error
        return _object(answer) if answer.status_code == 200 else {}

    async def claims(self, token: str, audience: str) -> Claims:
        """What a token says that this provider signed for us, now; UnknownKey for any other."""
        keys = await self._known_keys()
        try:
            try:
                found = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except InvalidKeyIdError:  # the provider has taken a new key since
                found = jwt.decode(token, await self._known_keys(anew=True), algorithms=ALGORITHMS)
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": audience},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(found.claims)
        except (JoseError, ValueError) as error:
            raise refused() from error
        return found.claims

    async def _known_keys(self, *, anew: bool = False) -> KeySet:
        """Its keys; asked for again where they have aged, or a token names one we do not have."""
        async with self._turn:
            age = time.monotonic() - self._keys[0] if self._keys else AGE * 2
            if self._keys is None or age > (PAUSE if anew else AGE):
                told = await self._ask((await self.document())["jwks_uri"])
                usable = [key for key in told.get("keys", []) if key.get("use", "sig") == "sig"]
                try:
                    self._keys = (time.monotonic(), KeySet.import_key_set({"keys": usable}))
                except JoseError as error:
                    raise silent() from error
            return self._keys[1]

    async def _ask(self, address: str) -> Claims:
        try:
            answer = await self._http.get(address)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise silent() from error
        if answer.status_code != 200:
            raise silent()
        return _object(answer)


def _object(answer: httpx2.Response) -> Claims:
    """A JSON object, whatever else came."""
    try:
        found = answer.json()
    except ValueError as error:
        raise silent() from error
    return found if isinstance(found, dict) else {}


def silent() -> NeighbourError:
    """The error for a provider that gives no answer one can use."""
    return NeighbourError(
        "The place where people sign in does not answer; try again shortly.",
        "统一身份认证服务暂时无法访问，请稍后重试。",
    )


def refused() -> UnknownKey:
    """The error for a token or code that is not good."""
    return UnknownKey(
        "This sign-in or token is not good, not for this service, or has expired.",
        "登录凭证无效、不适用于本服务或已过期。",
    )
