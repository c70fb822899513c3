"""How another program calls an endpoint: a line of curl and a few of Python, which work as they are pasted."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDED = ("Completed", "Failed", "Canceled", "NotResponding")
"""The statuses at which polling ends."""
_EXAMPLE = {"JobInputType": "UriFolder", "Uri": "azureml:NAME@latest"}
_PYTHON = """\
import os, time, requests

uri = {uri!r}
call = {{
    "headers": {{"Authorization": "Bearer " + os.environ["BATCHMAGIC_TOKEN"]}},{verify}
    "timeout": 60,
}}
body = {body}

answer = requests.post(uri, json=body, **call)
answer.raise_for_status()
job = uri + "/" + answer.json()["name"]
status = ""
while status not in {ended!r}:
    time.sleep(5)
    answer = requests.get(job, **call)
    answer.raise_for_status()
    status = answer.json()["properties"]["status"]
    print(status)
"""


def curl_line(document: Mapping[str, Any]) -> str:
    """Return the line that starts a job of the endpoint; the token is read from ``BATCHMAGIC_TOKEN``."""
    trust = f"--cacert {shlex.quote(document['ca_file'])} " if document.get("ca_file") else ""
    return (
        f"curl -sS {trust}-X POST {shlex.quote(document['scoring_uri'])} "
        '-H "Authorization: Bearer $BATCHMAGIC_TOKEN" -H "Content-Type: application/json" '
        f"-d {shlex.quote(_body(document))}"
    )


def python_text(document: Mapping[str, Any]) -> str:
    """Return a program that starts a job of the endpoint and waits for its end."""
    verify = f'\n    "verify": {document["ca_file"]!r},' if document.get("ca_file") else ""
    return _PYTHON.format(uri=document["scoring_uri"], verify=verify, body=_body(document), ended=ENDED)


def snippets(document: Mapping[str, Any]) -> dict[str, str]:
    """Return both by their names; nothing for an endpoint that has no address."""
    if not document.get("scoring_uri"):
        return {}
    return {"curl": curl_line(document), "Python": python_text(document)}


def _body(document: Mapping[str, Any]) -> str:
    return json.dumps({"properties": {"InputData": {"input": document.get("example_input") or _EXAMPLE}}})
