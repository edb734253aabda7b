"""A page that lists the HTTP requests, made from their OpenAPI description: nothing of it comes from another server."""

from html import escape
from typing import Any, Final

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>API – Vividlive</title>
  <link rel="icon" href="/static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="/static/style.css">
</head>
<body>
  <main class="prose">
    <h1>Requests to this server</h1>
    <p>{about} For programs: <a href="/openapi.json">openapi.json</a>.</p>
    <dl class="requests">{requests}</dl>
  </main>
</body>
</html>
"""


def api_page(described: dict[str, Any]) -> str:
    """HTML of an OpenAPI description: every request with its path and what it is for."""
    requests = "".join(
        f"<dt><code>{method.upper()} {escape(path)}</code></dt><dd>{escape(about.get('description', ''))}</dd>"
        for path, methods in described["paths"].items()
        for method, about in methods.items()
    )
    return PAGE.format(about=escape(described["info"]["description"]), requests=requests)
