"""Signing in and out, and what the service knows of the caller."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.common import Answer, Code, example


class Asked(BaseModel):
    """Base of what callers send: exactly these fields, no others; never shown again."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SignIn(Asked):
    """Who signs in, and how that is shown."""

    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=256)
    code: str = Field("", max_length=20, description="one-time code, where the account has them")


class NewPassword(Asked):
    """A password in place of the one there is."""

    old: str = Field(min_length=1, max_length=256)
    code: str = Field("", max_length=20, description="one-time code, where the account has them")
    new: str = Field(min_length=1, max_length=256)


class Redeem(Asked):
    """The password that a one-time link is for."""

    link: str = Field(min_length=1, max_length=200, description="what stands behind `#link=`")
    password: str = Field(min_length=1, max_length=256)


class Confirm(Asked):
    """A secret that was given, and a code made from it."""

    secret: str = Field(min_length=1, max_length=64)
    code: str = Field(min_length=1, max_length=20)


class Codes(Answer):
    """A new secret for one-time codes; kept once a code made from it was shown."""

    model_config = example(
        {
            "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
            "address": "otpauth://totp/cimtwin:wang?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        }
    )

    secret: str
    address: str = Field(description="for an authenticator, as a link or a picture")


class SignInWays(Answer):
    """How one may sign in here."""

    password: bool
    elsewhere: str | None = Field(description="what the other place is called; null for none")


class Session(Answer):
    """Who the caller is, what they may do, and for which purposes personal data may be asked."""

    model_config = example(
        {
            "actor": "wang",
            "roles": ["residents"],
            "scopes": ["city.read", "living.read", "residents.read"],
            "purposes": [
                {"code": "housing_management", "zh": "房屋管理", "en": "housing management"}
            ],
            "demo": False,
            "default_purpose": None,
            "signed_in": True,
            "until": "2026-11-22T20:00:00Z",
            "csrf": "5f1c…",
            "must_change": False,
            "ways": {"password": True, "elsewhere": None},
        }
    )

    actor: str | None
    roles: list[str]
    scopes: list[str] = Field(description="what may be done, in whatever place")
    purposes: list[Code] = Field(description="what header X-Purpose may say")
    demo: bool
    default_purpose: str | None
    signed_in: bool = Field(description="by a cookie, not a key")
    until: datetime | None = Field(description="when the session ends, used or not")
    csrf: str | None = Field(description="goes into X-CSRF-Token of requests that change something")
    must_change: bool = Field(description="nothing may be done before the password is changed")
    ways: SignInWays
