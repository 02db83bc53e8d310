"""A small SMART app: opened with iss and launch it asks for access, and shows whose record it was let in to."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import requests

VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        parts = urlsplit(self.path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/launch":
            asked = {
                "response_type": "code",
                "client_id": "small-app",
                "redirect_uri": f"{self.server.url}/back",
                "scope": "openid fhirUser launch patient/*.rs",
                "state": "0123456789abcdef",
                "aud": given["iss"],
                "launch": given["launch"],
                "code_challenge": CHALLENGE,
                "code_challenge_method": "S256",
            }
            where = requests.get(f"{given['iss']}/.well-known/smart-configuration", timeout=10).json()
            self.server.at = given["iss"], where["token_endpoint"]
            self._said(302, "", f"{where['authorization_endpoint']}?{urlencode(asked)}")
        elif "code" in given:
            base, tokens = self.server.at
            form = {"grant_type": "authorization_code", "code": given["code"], "client_id": "small-app"}
            form |= {"redirect_uri": f"{self.server.url}/back", "code_verifier": VERIFIER}
            told = requests.post(tokens, data=form, timeout=10).json()
            said = {"Authorization": f"Bearer {told['access_token']}"}
            patient = requests.get(f"{base}/Patient/{told['patient']}", headers=said, timeout=10).json()
            self._said(200, json.dumps({"scope": told["scope"], "patient": patient}))
        else:
            self._said(404, json.dumps(given))

    def _said(self, status, text, location=""):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        """Nothing."""


def start():
    """The app, listening; ``url`` is where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
