"""The files that every script of this folder scores, and where its expected output is."""

from __future__ import annotations

import gzip
from pathlib import Path

HERE = Path(__file__).parent
STYLES = sorted(path.parent.name for path in HERE.glob("*/deployment.yml"))

# Names with a blank, a letter that is not ASCII, another case: mini-batches are in the order of their bytes.
TABLES = {
    "Z.CSV": b'id,text\n5,"x,y"\n6,007\n',
    "a.csv": b"id,text\n1,hello world\n2,plain\n",
    "b c.csv": b'id,text\n3,"say ""hi"""\n',
    "é.csv": "id,text\n4,naïve ☃\n".encode(),
}
ODD = {
    "README": b"no suffix",
    ".hidden": b"hidden",
    "a;b&c'd.txt": b"semi;colon",
    "nested.csv/inner.csv": b"not entered",
    "x.csv.gz": gzip.compress(b"id,text\n1,packed\n", mtime=0),
}
INPUTS = {"odd_file_names": ODD}


def write_input(style: str, folder: Path) -> Path:
    """Return a folder with the input of a style."""
    made = folder / ("odd" if style in INPUTS else "tables")
    for name, content in INPUTS.get(style, TABLES).items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return made


def expected(style: str, form: str) -> bytes:
    """Return the output that the style's job must have in that form."""
    return (HERE / style / f"expected.{form}").read_bytes()
