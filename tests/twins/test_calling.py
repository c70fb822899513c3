"""How an endpoint is called: what is shown can be pasted, whatever stands in names and paths."""

from __future__ import annotations

import ast
import json
import shlex

import pytest
from twin_samples import THINGS

from batchmagic import twins
from batchmagic.entities.status import TERMINAL
from batchmagic.twins.calling import ENDED, curl_line, python_text, snippets

ADDRESS = "https://localhost:8443/batchmagic/endpoints/heart/jobs"
SERVED = {**THINGS["endpoint"], "scoring_uri": ADDRESS, "ca_file": "/home/me/.batchmagic/tls/ca.pem"}
CA_FILES = [
    "/plain/ca.pem",
    "/with blank/ca.pem",
    "/it's/ca.pem",
    '/a"b/$HOME/`id`/ca.pem',
    "/<script>/&amp;/ca.pem",
]


@pytest.mark.parametrize("file", CA_FILES)
def test_the_lines_hold_what_they_were_made_from(file):
    document = {**SERVED, "ca_file": file}
    words = shlex.split(curl_line(document))
    assert words[words.index("--cacert") + 1] == file
    assert words[words.index("POST") + 1] == ADDRESS
    body = json.loads(words[words.index("-d") + 1])
    program = ast.parse(python_text(document))
    values = {
        node.targets[0].id: node.value
        for node in program.body
        if isinstance(node, ast.Assign) and node.targets
    }
    assert ast.literal_eval(values["uri"]) == ADDRESS
    assert ast.literal_eval(values["body"]) == body
    assert file in [node.value for node in ast.walk(values["call"]) if isinstance(node, ast.Constant)]
    html = twins.html("endpoint", document)
    assert "<script>" not in html
    assert python_text(document) in twins.text("endpoint", document) + "\n"


def test_no_address_no_lines_but_what_to_do():
    assert snippets(THINGS["endpoint"]) == {}
    for shown in (twins.text("endpoint", THINGS["endpoint"]), twins.html("endpoint", THINGS["endpoint"])):
        assert "%batch serve" in shown
        assert "curl" not in shown


def test_a_certificate_that_everybody_trusts_needs_no_file():
    document = {**SERVED, "ca_file": None}
    assert "--cacert" not in curl_line(document)
    assert "verify" not in python_text(document)


def test_registered_data_is_the_example():
    document = {**SERVED, "example_input": {"JobInputType": "UriFile", "Uri": "azureml:rows@latest"}}
    assert "azureml:rows@latest" in curl_line(document)
    assert "example_input" not in twins.text("endpoint", document)


def test_polling_ends_when_jobs_do():
    assert set(ENDED) == {str(status) for status in TERMINAL}
