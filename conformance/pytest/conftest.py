"""Zoom for the tests: `rtms simulate --serve`, started once for all of them and stopped at the end."""

import base64
import json
import os
import subprocess
import urllib.request

import pytest


class Zoom:
    def __init__(self, addresses):
        self.addresses = addresses

    def call(self, method, path, body=None):
        """Asks the simulator: makes a meeting, looks at it, waits for something of it."""
        return request(method, self.addresses["control"] + "/v1/meetings" + path, body)

    def rest(self, meeting, action):
        """Asks as an app asks Zoom: a token by OAuth, and the call that starts, pauses, resumes and stops a stream."""
        app = base64.b64encode(b"sim-client-id:sim-client-secret").decode()
        url = self.addresses["oauth"] + "?grant_type=client_credentials"
        token = request("POST", url, authorization=f"Basic {app}")["access_token"]
        url = f"{self.addresses['api']}/live_meetings/{meeting['meeting_id']}/rtms_app/status"
        body = {"action": action, "settings": {"client_id": "sim-client-id"}}
        request("PATCH", url, body, authorization=f"Bearer {token}")


def request(method, url, body=None, authorization=None):
    headers = {"Authorization": authorization} if authorization else {}
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method)) as answer:
        return json.loads(answer.read() or "null")


@pytest.fixture(scope="session")
def zoom():
    command = [os.environ.get("RTMS", "rtms"), "simulate", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:
        yield Zoom(json.loads(simulator.stdout.readline()))
        simulator.terminate()
