"""Settings: one frozen object, read from `CIM_*` environment variables and a `.env` file.

Nothing is read when this module is imported; whoever composes the program calls `load()`.
"""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from cim.errors import BadSetting


class Settings(BaseSettings):
    """Everything that may differ between two cities or two machines."""

    model_config = SettingsConfigDict(
        env_prefix="CIM_", env_file=".env", extra="ignore", frozen=True
    )

    data_dir: Path = Field(
        Path(".cim"), description="where the embedded database, the tiles and the key are kept"
    )
    database_url: str | None = Field(
        None,
        pattern=r"^$|^postgres(ql)?(\+\w+)?://",
        description="a PostGIS to use instead of the embedded one: postgresql://user@host/name",
    )
    service_database_url: str | None = Field(
        None,
        pattern=r"^$|^postgres(ql)?(\+\w+)?://",
        description="the same database as one of the service's own logins, such as cim_service; "
        "its other parts take theirs; empty: as CIM_DATABASE_URL",
    )
    read_database_url: str | None = Field(
        None,
        pattern=r"^$|^postgres(ql)?(\+\w+)?://",
        description="a read replica of it (streaming replication), which answers what only reads",
    )
    read_lag_seconds: float = Field(
        30.0,
        gt=0,
        description="seconds that the replica may be behind; it is not asked while it is further",
    )
    city_name: str = Field(
        "", description="what the viewer calls the city; empty: its largest area"
    )
    geoid_offset: float = Field(
        0.0,
        description="metres from the height datum (1985) up to the ellipsoid, unless a grid says",
    )
    geoid_grid: Path | None = Field(
        None,
        description="for the constant: a raster of geoid heights, metres (.gtx, GeoTIFF), or "
        "egm96, egm2008 or the name of a grid where PROJ has it",
    )
    storey_height_residential: float = Field(3.0, gt=0, description="default storey height, metres")
    storey_height_retail: float = Field(4.2, gt=0, description="default storey height, metres")
    storey_height_office: float = Field(3.6, gt=0, description="default storey height, metres")
    storey_height_basement: float = Field(3.6, gt=0, description="default basement height, metres")
    default_floors: int = Field(
        1, ge=1, description="storeys assumed where a building has neither floors nor height"
    )
    pii_key_file: Path | None = Field(
        None, description="the key for personal data; empty: `keys/pii.key` in the data folder"
    )
    public_url: str = Field(
        "",
        pattern=r"^$|^https?://[^/?#]+$",
        description="where people open the viewer, such as https://city.example: cookies, "
        "links and the check of origins go by it; empty: wherever it is called",
    )
    oidc_issuer: str = Field(
        "",
        pattern=r"^$|^https?://",
        description="an OpenID Connect provider where people sign in too, as its discovery "
        "document names itself; empty: none",
    )
    oidc_name: str = Field("", description="what the viewer calls it; empty: its host")
    oidc_client_id: str = Field("", description="what the provider knows this service by")
    oidc_client_secret: SecretStr | None = Field(
        None, description="and what this service proves that with; empty: PKCE alone"
    )
    oidc_scope: str = Field("openid", description="what is asked of the provider")
    oidc_audience: str = Field(
        "",
        description="whom access tokens of the provider must be for that are sent as "
        "`Authorization: Bearer`; empty: none are taken",
    )
    oidc_roles_claim: str = Field(
        "roles",
        description="where tokens name roles: a claim, or a path such as realm_access.roles",
    )
    oidc_roles: dict[str, str] = Field(
        {},
        description="roles there and the role here that each is, as JSON: "
        '{"bureau-desk": "residents"}; administrators never',
    )
    oidc_areas_claim: str = Field(
        "",
        description="where tokens name codes of areas or grids that the caller is confined to; "
        "empty: the whole city",
    )
    trusted_proxies: str = Field(
        "",
        description="addresses or networks, with commas between, whose word on where a request "
        "came from is taken: 127.0.0.1, 10.0.0.0/8; empty: nobody's",
    )
    proxy_header: Literal["x-forwarded-for", "forwarded"] = Field(
        "x-forwarded-for",
        description="the header by which they say it, with X-Forwarded-Proto, or `forwarded` "
        "(RFC 7239); the other is not read",
    )
    trusted_hosts: str = Field(
        "",
        description="hosts that may be called by, with commas between: city.example, "
        "*.city.example; empty: any",
    )
    cors_origins: str = Field(
        "",
        description="places whose pages may read what needs no session, with commas between: "
        "https://map.example, or *; empty: none",
    )
    frame_ancestors: str = Field(
        "",
        description="places whose pages may frame ours, with commas between: https://portal.example"
        "; empty: our own alone",
    )
    log: Literal["faults", "text", "json"] = Field(
        "faults",
        description="what is written to the standard error: faults alone; or every request too, as "
        "text or as JSON, a line each",
    )
    workers: int = Field(
        1, ge=1, le=64, description="processes that answer, on all of which requests are spread"
    )
    metrics: str = Field(
        "",
        pattern=r"^$|^\S+:\d+$",
        description="host:port where Prometheus is answered, such as 127.0.0.1:9464, and nobody "
        "else should reach; empty: nowhere",
    )
    rate_known: float = Field(
        500.0,
        ge=0,
        description="requests a second that one account or key may make for long, twenty times as "
        "many at once; a costly one counts for several; 0: any number",
    )
    rate_nobody: float = Field(
        100.0,
        ge=0,
        description="the same for one address whose callers are not known; whoever calls from the "
        "machine itself is not counted",
    )
    upload_largest_gb: float = Field(20.0, gt=0, description="largest file that may be uploaded")
    upload_total_gb: float = Field(
        100.0, gt=0, description="largest size of all uploads that are kept together"
    )
    upload_days: float = Field(
        7.0, gt=0, description="days that an upload is kept after it was last loaded"
    )
    webhook_networks: str = Field(
        "",
        description="networks besides the world that webhooks may be sent to, with commas "
        "between: 10.20.0.0/16; without encryption to these alone; empty: none",
    )
    change_days: float = Field(
        400.0, gt=0, description="days that a change is kept in the change feed"
    )
    load_hours: float = Field(
        12.0, gt=0, description="longest that a file may take that is loaded through the service"
    )
    load_days: float = Field(
        180.0, gt=0, description="days that the outcome of such a load can be looked up"
    )
    mqtt_url: str = Field(
        "",
        pattern=r"^$|^mqtts?://",
        description="the broker that devices publish to: mqtt://user:password@host:1883, or "
        "mqtts://; empty: a Mosquitto of our own, beside the embedded database",
    )
    mqtt_listen: str = Field(
        "127.0.0.1:18830",
        pattern=r"^[\w.]+:\d+$",
        description="host:port where our own Mosquitto listens; port 0: any free",
    )
    feed_rate: float = Field(
        100.0,
        ge=0,
        description="readings a second that one device may send over ten seconds; 0: any number",
    )
    demo: bool = Field(
        False,
        description="callers on this machine act as a housing and data officer "
        "(invented people only)",
    )

    @field_validator("webhook_networks")
    @classmethod
    def _networks(cls, said: str) -> str:
        for one in filter(str.strip, said.split(",")):
            ip_network(one.strip())
        return said

    @property
    def opened_at(self) -> str:
        """Where people open the viewer, as links to it begin."""
        return self.public_url or "http://127.0.0.1:8000"

    @property
    def uploads_dir(self) -> Path:
        """Where files lie that were handed in through the service."""
        return self.data_dir / "uploads"

    @property
    def tiles_dir(self) -> Path:
        """Where the tilesets stand."""
        return self.data_dir / "tiles"


def load() -> Settings:
    """Read the settings as the environment has them now; BadSetting where one makes no sense."""
    try:
        found = Settings()
    except ValidationError as error:
        names = ", ".join(f"CIM_{str(item['loc'][0]).upper()}" for item in error.errors())
        raise BadSetting(
            f"the setting {names} has a value that it cannot have",
            f"设置 {names} 的值无效",
        ) from None
    except SettingsError as error:  # JSON that is none; it names the field, and shows no value
        named = re.search(r'field "(\w+)"', str(error))
        name = f"CIM_{named[1].upper()}" if named else "CIM_…"
        raise BadSetting(f"the setting {name} must be JSON", f"设置 {name} 必须为 JSON") from None
    return found.model_copy(update={"data_dir": found.data_dir.expanduser().absolute()})
