"""Print the API's OpenAPI document, from which `npm run types` makes src/api/schema.d.ts."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from api.app import create_app
from cim import settings

sys.stdout.write(json.dumps(create_app(settings.load()).openapi(), ensure_ascii=False))
