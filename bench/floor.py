"""The floor: the least that a Flask application can do, on the same gunicorn, with the bytes that our server answers.

Our speed is told as a share of this one's, since both then meet the same machine at the same moment.
"""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask, Response, request

FHIR_JSON = "application/fhir+json; charset=utf-8"


def create_app(folder: Path) -> Flask:
    """An application that answers ``/read`` and ``/search`` with files, and writes with their body."""
    app = Flask("floor")
    read, search = (folder / "read.json").read_bytes(), (folder / "search.json").read_bytes()

    @app.get("/read/<id_>")
    def one(id_: str) -> Response:
        return Response(read, 200, content_type=FHIR_JSON)

    @app.get("/search")
    def many() -> Response:
        return Response(search, 200, content_type=FHIR_JSON)

    @app.post("/echo")
    @app.put("/echo/Task/<id_>")
    def echo(id_: str = "") -> Response:
        return Response(request.get_data(), 200 if id_ else 201, content_type=FHIR_JSON)

    return app


if "FLOOR_FOLDER" in os.environ:
    app = create_app(Path(os.environ["FLOOR_FOLDER"]))
