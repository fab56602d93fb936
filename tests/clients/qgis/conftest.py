"""What stands in `inside` runs in another system's Python, by QGIS: it is not collected here."""

collect_ignore = ["inside"]
