"""YAML that would do harm: nothing of it runs, it takes no memory to speak of, and the error says where it stands."""

from __future__ import annotations

import json
import subprocess
import sys

from batchmagic.entities.yaml_source import MAX_BYTES, MAX_DEPTH

_LOAD = """
import json, resource, sys, time
from pathlib import Path
from batchmagic.entities import Environment
from batchmagic.entities.load import load_any, load_batch_deployment, text_of
from batchmagic.entities.yaml_source import read_document
from batchmagic.errors import DefinitionError

def memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

load_any("kind: endpoint\\nname: abc")
found, before = {}, memory()
for path in sorted(Path(sys.argv[1]).glob("*.yml")):
    started = time.process_time()
    said = []
    for act in (lambda: load_any(text_of(path)), lambda: load_batch_deployment(path), lambda: read_document(text_of(path))):
        try:
            act()
            said.append(None)
        except DefinitionError as error:
            said.append([error.line, str(error)])
    found[path.stem] = [said, time.process_time() - started]
print(json.dumps([found, memory() - before]))
"""
_DEEP = MAX_DEPTH * 200


def _bombs(canary):
    names = [f"a{number}" for number in range(1, 12)]
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*a{number}'] * 9)}]\n" for number, name in enumerate(names)
    )
    return {
        "call": f"name: abc\nx: !!python/object/apply:os.system ['touch {canary}']\n",
        "new": f"name: abc\nx: !!python/object/new:subprocess.Popen [['touch', '{canary}']]\n",
        "name": "name: abc\nx: !!python/name:os.system\n",
        "module": "name: abc\nx: !!python/module:os\n",
        "tag": f"name: abc\nx: !touch {canary}\n",
        "laughs": laughs,
        "merges": "a: &a {x: 1}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(200)),
        "itself": "name: abc\nx: &x [*x]\n",
        "brackets": "name: abc\nx: " + "[" * _DEEP + "]" * _DEEP + "\n",
        "braces": "name: abc\nx: " + "{a: " * _DEEP + "}" * _DEEP + "\n",
        "indented": "".join(f"{' ' * level}a:\n" for level in range(400)),
        "dashes": "name: abc\nx:\n" + "- " * _DEEP + "y\n",
        "keys": "name: abc\nname: abd\n",
        "large": "name: abc\nx: '" + "y" * (10 * MAX_BYTES) + "'\n",
        "number": "name: abc\nx: " + "9" * 100_000 + "\n",
        "end": 'name: abc\nx: "' + "y" * 1000,
        "broken": b"name: abc\nx: \xff\xfe\n",
        "null": b"name: abc\nx: a\0b\n",
        "wide": "name: abc\nx: y\n".encode("utf-16"),
    }  # fmt: skip


def test_nothing_runs_and_little_is_used(tmp_path):
    canary = tmp_path / "canary"
    (tmp_path / "bombs").mkdir()
    bombs = _bombs(canary)
    for name, text in bombs.items():
        content = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "bombs" / f"{name}.yml").write_bytes(content)
    (tmp_path / "bombs" / "zero.yml").symlink_to("/dev/zero")
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(tmp_path / "bombs")],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found, kilobytes = json.loads(done.stdout.splitlines()[-1])
    assert not canary.exists()
    assert kilobytes < 100 * 1024
    assert found.keys() == bombs.keys() | {"zero"}
    for name, (said, seconds) in found.items():
        assert all(said), name
        assert seconds < 10, name  # of a processor, three times over; a bomb takes for ever
        if name not in {"large", "zero"}:
            assert all(line for line, _ in said), (name, said)
