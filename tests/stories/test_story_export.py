"""A deployment that was written in a cell goes out as files, in a notebook, with the words of Azure's command line."""

from __future__ import annotations

from story_support import Notebook

from batchmagic import load_batch_deployment

CELL = """%%batch deploy heart/classifier --mini-batch-size 5 --set tags.a=1 tags.b=2
def run(mini_batch):
    return list(mini_batch)
"""
DEFINITION = """%%batch deployment --set endpoint_name=heart name=second mini_batch_size={{ size }}
name: first
endpoint_name: nix
code_configuration: {code: code, scoring_script: score.py}
"""


def test_from_a_cell_to_azure(workspace_folder):
    folder = workspace_folder.root.parent / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "a.csv").write_text("a")
    (folder / "code").mkdir()
    (folder / "code" / "score.py").write_text("def run(mini_batch):\n    return list(mini_batch)\n")
    (folder / "inputs.yml").write_text("inputs: {x: ./data}\nmini_batch_size: 3\n")
    workspace_folder.root = folder / ".batchmagic"
    with Notebook(folder) as notebook:
        notebook.run("%load_ext batchmagic")
        notebook.run(CELL)
        notebook.run("size = 7")
        assert notebook.run(DEFINITION).printed == "Deployed heart/second, version 1\n"
        plan = notebook.run("%batch invoke heart -f inputs.yml --dry-run").printed
        assert "mini_batch_size" in plan
        exported = notebook.run("%batch export heart out").printed
        assert "\nExported heart with 2 deployments to out\n" in exported
        assert "is not empty" in notebook.stop("%batch export heart out").complaint
    first, second = (
        load_batch_deployment(folder / "out" / "deployments" / name / "deployment.yml")
        for name in ("classifier", "second")
    )
    assert (first.mini_batch_size, first.tags, first.output_format) == (5, {"a": "1", "b": "2"}, "csv")
    # A cell's number says nothing where there is no notebook.
    assert first.properties == {}
    assert (second.endpoint_name, second.mini_batch_size) == ("heart", 7)
    script = folder / "out" / "deployments" / "classifier" / "code" / "score.py"
    assert "return list(mini_batch)" in script.read_text()
