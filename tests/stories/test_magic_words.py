"""What can be typed: quotes, comments, expressions, help, settings, loading and unloading."""

from __future__ import annotations

import sys

import pytest
from story_support import JOB, WIDGET, Notebook

SCRIPT = "def run(mini_batch):\n    return list(range(len(mini_batch)))\n"
# How Python spells a module that cannot be imported.
NO_WIDGETS = "import sys; assert 'ipywidgets' not in sys.modules; sys.modules['ipywidgets'] = None"


@pytest.fixture(scope="module")
def notebook(project):
    (project / "data #1").mkdir()
    (project / "data #1" / "a.csv").write_text("a")
    with Notebook(project) as found:
        found.run("%load_ext batchmagic")
        found.run(f"%%batch deploy words/classifier\n{SCRIPT}")
        yield found


@pytest.mark.parametrize(
    ("typed", "path", "description"),
    [
        ("--path './data #1' --description it#s # the rest is a comment", "./data #1", "it#s"),
        ('--path "./data #1" --description "a \'b\' {{ x }}"', "./data #1", "a 'b' it's \"x\" #1"),
        ("--path {{ folder }} --description {{ x }}", "./data #1", 'it\'s "x" #1'),
        ("--path ./{{ 'data #1' }} --description={{ {'a': {'b': 1}}['a'] }}", "./data #1", "{'b': 1}"),
        (r"--path ./data\ #1 --description ${{ x }}", "./data #1", "${{ x }}"),
    ],
)
def test_words_are_those_of_a_shell_and_expressions_stay_whole(notebook, project, typed, path, description):
    notebook.run("""x = '''it's "x" #1'''\nfolder = './data #1'""")
    if "$" in typed:
        # What Azure's own expressions look like is left alone; a blank ends the word as everywhere.
        typed = typed.replace("${{ x }}", "'${{ x }}'")
    notebook.run(f"data = %batch data create words {typed}")
    assert notebook.value("data.description") == description
    assert notebook.value("data.path") == str(project / path)


def test_expressions_in_yaml_have_their_types(notebook, project):
    (project / "code").mkdir()
    (project / "code" / "score.py").write_text(SCRIPT)
    notebook.run(
        "import numpy, pathlib\nn = numpy.int64(3)\nwords = ['a: b', '{c}']\nfolder = pathlib.Path('data #1')"
    )
    made = notebook.run(
        "%%batch apply\n"
        "kind: deployment\n"
        "name: typed\n"
        "endpoint_name: typed\n"
        "code_configuration: {code: ./code, scoring_script: score.py}\n"
        "mini_batch_size: {{ n * 2 }}\n"
        "isolate_failures: {{ n > 2 }}\n"
        "tags: {{ {'n': str(n), 'words': ' '.join(words)} }}  # {{ nothing_of_that_name }}\n"
        "environment_variables:\n"
        "  WORD: {{ words[0] }}\n"
        "---\n"
        "kind: data\n"
        "name: typed\n"
        'path: "./{{ folder }}"\n'
        "---\n"
        "kind: endpoint\n"
        "name: typed\n"
        "defaults: {deployment_name: typed}\n"
    )
    assert made.printed.splitlines() == [
        "Data typed, version 1",
        "Endpoint typed",
        "Deployment typed/typed, version 1",
    ]
    notebook.run("deployment = %batch deployment show typed/typed\nendpoint = %batch endpoint show typed")
    assert notebook.value("[deployment.mini_batch_size, deployment.isolate_failures]") == [6, True]
    assert notebook.value("deployment.tags") == {"n": "3", "words": "a: b {c}"}
    assert notebook.value("endpoint.defaults.deployment_name") == "typed"


def test_python_cells_are_left_alone(notebook, project):
    body = "def run(mini_batch):\n    what = 'x'\n    return [f'{{what}} {what}' for _ in mini_batch]  # {{ n }}\n"
    notebook.run(f"%%batch deploy words/braces\n{body}")
    notebook.run("job = %batch invoke words/braces --input './data #1' --wait")
    assert notebook.value("job.result().result.tolist()") == ["{what} x"]


def test_help_is_where_people_look_for_it(notebook):
    for asked, holds in [
        (
            "%batch?",
            ["%%batch deploy heart/classifier", "job = %batch invoke heart --input ./patients", "job resume"],
        ),
        ("%batch --help", ["deploy a model", "%batch NOUN VERB --help"]),
        ("%batch invoke --help", ["--input", "Example:\n  %batch invoke heart"]),
        ("%batch job resume -h", ["--redo-failed", "Example:\n  %batch job resume amber --redo-failed"]),
        ("%batch job", ["resume", "errors"]),
        ("%%batch deploy --help\n ", ["--model", "def run(mini_batch):"]),
    ]:
        text = notebook.pager(asked) if asked.endswith("?") else notebook.run(asked).printed
        assert [word for word in holds if word not in text] == [], asked


def test_loading_twice_reloading_and_unloading(notebook):
    assert "already loaded" in notebook.run("%load_ext batchmagic").printed
    notebook.run("%reload_ext batchmagic")
    notebook.run("%batch endpoint list")
    matchers = "len(get_ipython().Completer.custom_matchers)"
    configurables = "len([c for c in get_ipython().configurables if type(c).__name__ == 'BatchMagic'])"
    assert notebook.value(f"[{matchers}, {configurables}]") == [1, 1]
    notebook.run("%unload_ext batchmagic")
    assert notebook.value(f"[{matchers}, {configurables}]") == [0, 0]
    assert "`%batch` not found" in notebook.stop("%batch").complaint
    notebook.run("%load_ext batchmagic\n%batch endpoint list")


@pytest.mark.parametrize(("display", "kinds"), [("widgets", (1, 1)), ("html", (0, 1)), ("text", (0, 0))])
def test_jobs_are_shown_as_they_are_set_to_be(notebook, display, kinds):
    notebook.run(f"%config BatchMagic.display = {display!r}")
    shown = notebook.run("job = %batch invoke words --input './data #1' --wait")
    notebook.run("%config BatchMagic.display = 'auto'")
    assert (len(shown.bundles(WIDGET)), len(shown.bundles(JOB))) == kinds
    # However it is shown, the end is told.
    end = shown.printed if display == "text" else shown.bundles("text/plain")[-1]
    assert "1 row" in end
    if display != "text":
        assert shown.bundles(JOB)[-1]["status"] == "Completed"


def test_without_ipywidgets_the_html_serves(project, notebook):
    with Notebook(project) as bare:
        bare.run(NO_WIDGETS)
        bare.run("%load_ext batchmagic")
        shown = bare.run("job = %batch invoke words --input './data #1'")
        assert (len(shown.bundles(WIDGET)), len(shown.bundles(JOB))) == (0, 1)
        assert bare.value("len(job.result())") == 1
        assert shown.bundles(JOB)[-1]["status"] == "Completed"
        assert bare.run("%batch").bundles("text/html")


def test_o_keeps_the_value_and_shows_nothing_twice(notebook):
    kept = notebook.run("%batch job result last -o rows")
    assert (kept.value, kept.printed) == ("", "")
    assert notebook.value("len(rows)") == 1
    notebook.run("%batch endpoint list --out endpoints")
    assert notebook.value("{e.name for e in endpoints} >= {'words', 'typed'}") is True


def test_the_kernel_is_this_python(notebook):
    assert notebook.value("__import__('sys').executable") == sys.executable
