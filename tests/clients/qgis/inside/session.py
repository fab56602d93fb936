"""QGIS without a screen: begun, told who asks, and heard."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

from qgis.core import (
    Qgis,
    QgsApplication,
    QgsAuthMethodConfig,
    QgsDataSourceUri,
    QgsVectorLayer,
)

MESSAGES: list[str] = []
"""What QGIS wrote into its message log, where its users find why something failed."""


def start() -> QgsApplication:
    """QGIS, ready; keep what is returned as long as it is used."""
    application = QgsApplication([], False)
    application.setPrefixPath("/usr", True)
    application.initQgis()
    application.messageLog().messageReceived.connect(
        lambda text, tag, level: MESSAGES.append(f"{tag}: {text}")
    )
    keys = application.authManager()
    assert keys.setMasterPassword("kept in a folder that ends with this run", True)
    return application


def headers(**said: str) -> str:
    """An authentication of the kind API Header that says these; its id."""
    config = QgsAuthMethodConfig("APIHeader")
    config.setName(" ".join(said))
    for name, value in said.items():
        config.setConfig(name.replace("_", "-"), value)
    assert QgsApplication.authManager().storeAuthenticationConfig(config)
    return config.id()


def layer(root: str, collection: str, **said: str) -> QgsVectorLayer:
    """A layer of the collection, as adding it in the data source manager makes it."""
    uri = QgsDataSourceUri()
    uri.setParam("url", root)
    uri.setParam("typename", collection)
    for name, value in said.items():
        if name == "authcfg":
            uri.setAuthConfigId(value)
        else:
            uri.setParam(name, value)
    found = QgsVectorLayer(uri.uri(False), collection, "OAPIF")
    assert found.isValid(), (collection, MESSAGES)
    return found


def ask(url: str, method: str = "GET", body: bytes | None = None, **said: str) -> tuple[Any, Any]:
    """What an address answers to somebody who is not QGIS: JSON and headers."""
    named = {name.replace("_", "-"): value for name, value in said.items()}
    with urlopen(Request(url, body, named, method=method), timeout=30) as answer:
        content = answer.read()
        return json.loads(content) if content else None, answer.headers


def run(steps: dict[str, Callable[..., Any]], *given: Any) -> None:
    """Each step in turn; what they found is printed as one JSON object, a fault with its step."""
    application = start()
    told: dict[str, Any] = {"qgis": Qgis.version(), "began": {}}
    for name, step in steps.items():
        told["began"][name] = time.time()
        told[name] = step(*given)
    told["messages"] = MESSAGES
    json.dump(told, sys.stdout, ensure_ascii=False, default=str)
    sys.stdout.flush()
    application.exitQgis()
