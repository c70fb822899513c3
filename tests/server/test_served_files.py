"""S06 and S14: what a script leaves in its folders is served as a plain file of its own, or not at all."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from urllib.parse import quote, unquote

import pytest
from main_job_support import PLAIN, Lab
from server_support import Server

from batchmagic.sdk.sparse import has_holes
from batchmagic.server.routes import PREFIX

CANARY = "root:x:0:0:canary-of-the-host"
NAMES = [
    "<script>alert(1).csv",
    '"><img src=x onerror=alert(1)>.html',
    "\u202egpj.exe",
    "\u2066\u200b.txt",
    "\x1b[31mred\x1b]0;title\x07.txt",
    "two\r\nSet-Cookie: a=b\r\n\r\nlines.txt",
    'say "hi"; filename=evil.html',
    "100%25 & #1?.csv",
    "ünïcode ☃.jsonl",
    ".hidden",
    "-rf",
    "back\\slash.txt",
    "x" * 250,
]
LEAVING = """
import os, pathlib

SECRET = {secret!r}
NAMES = {names!r}

def leave(folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plain.txt").write_text("plain")
    (folder / "inner").mkdir(exist_ok=True)
    (folder / "inner" / "deep.txt").write_text("deep")
    os.symlink(SECRET, folder / "link.txt")
    os.symlink("plain.txt", folder / "own-link.txt")
    os.symlink(os.path.dirname(SECRET), folder / "linked")
    os.symlink("/", folder / "root")
    os.link(SECRET, folder / "hard.txt")
    os.mkfifo(folder / "pipe.txt")
    os.symlink("loop.txt", folder / "loop.txt")
    (folder / "page.html").write_text("<script>window.__pwned = 1</script>")
    (folder / "drawing.svg").write_text("<svg onload='alert(1)'/>")
    for name in NAMES:
        (folder / name).write_text("content of " + name)
    with open(os.path.join(os.fsencode(folder), b"bytes\\xff.txt"), "w") as file:
        file.write("odd")
    with open(folder / "sparse.txt", "wb") as file:
        file.write(b"begin\\n")
        file.seek(5 << 20)
        file.write(b"end\\n")

def init():
    output = pathlib.Path(os.environ["AZUREML_BI_OUTPUT_PATH"])
    leave(output)
    leave(output.parent.parent / "logs" / "user" / "own")

def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""


@pytest.fixture(scope="module")
def lab(module_workspace):
    found = Lab(module_workspace)
    yield found
    found.close()


@pytest.fixture(scope="module")
def secret(lab):
    path = lab.folder / "host-only" / "passwd"
    path.parent.mkdir()
    path.write_text(CANARY)
    return path


@pytest.fixture(scope="module")
def job(lab, secret):
    lab.deploy("leaving", LEAVING.format(secret=str(secret), names=NAMES), max_concurrency_per_instance=1)
    record = lab.run("leaving", 2)
    assert record.status == "Completed", record.error
    return record.name


@pytest.fixture(scope="module")
def server(lab):
    with Server(lab.folder / "server", lab.root, output_roots=str(lab.folder / "declared")) as found:
        yield found


@pytest.fixture(scope="module")
def token(lab):
    return lab.client.session.read().tokens.create("reader", scopes=["read"])[1]


@pytest.fixture(scope="module", params=["logs/user/own", "outputs/score"])
def place(request, job):
    """Where the script has left things, below the server's addresses."""
    return f"{PREFIX}/jobs/{job}/{request.param}"


@pytest.fixture(scope="module")
def get(server, token):
    """A function that reads an address with a reader's token."""
    with server.line() as line:

        def read(address, method="GET", **headers):
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            answer = line.send(method, address, token=token, headers=given)
            assert CANARY.encode() not in answer.body
            return answer

        yield read


def test_plain_files_are_served(get, place):
    for path, content in {"plain.txt": b"plain", "inner/deep.txt": b"deep"}.items():
        answer = get(f"{place}/{path}")
        assert (answer.status, answer.body) == (200, content)


@pytest.mark.parametrize(
    "path",
    [
        "link.txt", "own-link.txt", "hard.txt", "pipe.txt", "loop.txt", "linked/passwd", "root/etc/passwd",
        "linked", "inner", "root", "plain.txt/deeper", "nothing.txt", "inner/nothing.txt", "x" * 300, "a/" * 500 + "a",
    ],
)  # fmt: skip
def test_links_pipes_and_folders_are_not_there(get, place, path):
    """S06"""
    began = time.monotonic()
    answer = get(f"{place}/{path}")
    assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert time.monotonic() - began < 20  # nobody waits for the other end of a pipe


@pytest.mark.parametrize(
    "path",
    ["../plain.txt", "%2e%2e/plain.txt", "inner/../plain.txt", "..%2f..%2fworkspace.db", "./plain.txt", "inner//deep.txt", "plain.txt/", "a%00b"],
)  # fmt: skip
def test_a_path_that_does_not_go_straight_down_is_refused(get, place, path):
    """S05"""
    answer = get(f"{place}/{path}")
    assert (answer.status, answer.error["code"], answer.error["target"]) == (422, "unsafe_path", "path")


def test_lists_have_what_is_served_and_nothing_else(get, job):
    """S06"""
    for folder, below in {"logs": "user/own/", "outputs": ""}.items():
        listed = get(f"{PREFIX}/jobs/{job}/{folder}").json["value"]
        paths = {item["path"].removeprefix(below) for item in listed if item["path"].startswith(below)}
        left = {
            "plain.txt",
            "inner/deep.txt",
            "page.html",
            "drawing.svg",
            "sparse.txt",
            "bytes\\udcff.txt",
            *NAMES,
        }
        assert paths - {"predictions.csv"} == left
        for item in listed:
            answer = get(item["href"])
            assert answer.status == 200, item
            assert item["size"] == len(answer.body) or "data" in item


def test_lists_are_paged(get, job):
    found, address = [], f"{PREFIX}/jobs/{job}/outputs?top=5"
    while address:
        page = get(address).json
        assert len(page["value"]) <= 5
        found += [item["path"] for item in page["value"]]
        address = page["nextLink"] and page["nextLink"][page["nextLink"].index(PREFIX) :]
    assert found == sorted(found)
    assert found == [item["path"] for item in get(f"{PREFIX}/jobs/{job}/outputs").json["value"]]


@pytest.mark.parametrize("name", [*NAMES, "page.html", "drawing.svg"])
def test_no_name_and_no_content_makes_a_browser_do_anything(get, place, name):
    """S14"""
    answer = get(f"{place}/{quote(name, safe='')}")
    assert answer.status == 200
    known = {"Content-Security-Policy": "sandbox", "X-Content-Type-Options": "nosniff"}
    for header, value in known.items():
        assert value in answer.header(header)
    media = answer.header("Content-Type")
    assert media in {
        "text/plain; charset=utf-8",
        "text/csv; charset=utf-8",
        "application/x-ndjson",
        "application/octet-stream",
    }
    assert "/logs/" not in place or media == "text/plain; charset=utf-8"
    said = answer.header("Content-Disposition")
    assert said.startswith('attachment; filename="')
    assert said.isascii()
    assert said.count('"') == 2
    assert not {"Set-Cookie"} & set(answer.headers)
    shown = unquote(said.partition("filename*=UTF-8''")[2])
    assert shown.isprintable()
    assert "/" not in shown


def test_names_that_are_no_utf_8_are_served(get, place):
    answer = get(f"{place}/bytes%FF.txt")
    assert (answer.status, answer.body) == (200, b"odd")


@contextmanager
def swapping(folder, secret):
    """Exchange a file and a folder for links to what must not be served, back and forth, as fast as it goes."""
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            for name, target in (("swap.txt", secret), ("swap", secret.parent)):
                path = folder / name
                (folder / "new").symlink_to(target)
                if name == "swap":
                    path.rename(folder / "kept")
                (folder / "new").rename(path)
                _put_back(folder, path, is_folder=name == "swap")

    (folder / "swap").mkdir(exist_ok=True)
    (folder / "swap" / "passwd").write_text("harmless")
    (folder / "swap.txt").write_text("harmless")
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _put_back(folder, path, *, is_folder):
    if is_folder:
        path.unlink()
        (folder / "kept").rename(path)
        return
    (folder / "fresh").write_text("harmless")
    (folder / "fresh").rename(path)


def test_what_is_exchanged_while_it_is_served_is_never_served(lab, server, token, job, secret):
    """S06"""
    folder = lab.root / "jobs" / job / "outputs" / "score"
    seen = {}
    with swapping(folder, secret), server.line() as line:
        end = time.monotonic() + 2
        while time.monotonic() < end or 200 not in seen or 404 not in seen:
            for path in ("swap.txt", "swap/passwd"):
                answer = line.send("GET", f"{PREFIX}/jobs/{job}/outputs/score/{path}", token=token)
                assert answer.status in {200, 404}
                assert answer.status == 404 or answer.body == b"harmless"
                seen[answer.status] = seen.get(answer.status, 0) + 1
            assert time.monotonic() < end + 30, seen
            listed = line.send("GET", f"{PREFIX}/jobs/{job}/outputs", token=token)
            assert CANARY.encode() not in listed.body


def test_a_job_folder_that_became_a_link_serves_nothing(lab, get, secret):
    """S06"""
    lab.deploy("plain", "def run(mini_batch):\n    return mini_batch\n")
    name = lab.run("plain", 1).name
    logs = lab.logs(name)
    logs.rename(logs.with_name("aside"))
    logs.symlink_to(secret.parent)
    assert get(f"{PREFIX}/jobs/{name}/logs/passwd").status == 404
    assert get(f"{PREFIX}/jobs/{name}/logs").json["value"] == []
    outputs = lab.root / "jobs" / name / "outputs"
    outputs.rename(outputs.with_name("aside-too"))
    outputs.symlink_to(secret.parent.parent)
    assert get(f"{PREFIX}/jobs/{name}/outputs/score").status == 404


# --- ranges


@pytest.fixture(scope="module")
def content(lab, job):
    """The bytes of a log, and its address below the job."""
    data = bytes(range(256)) * 4000
    (lab.logs(job) / "user" / "bytes.txt").write_bytes(data)
    return data, f"{PREFIX}/jobs/{job}/logs/user/bytes.txt"


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [("bytes=0-0", 0, 1), ("bytes=10-19", 10, 20), ("bytes=1023990-", 1_023_990, 1_024_000),
     ("bytes=-5", 1_023_995, 1_024_000), ("bytes=-9999999", 0, 1_024_000), ("bytes=5-99999999999", 5, 1_024_000),
     ("bytes=300000-700000", 300_000, 700_001)],
)  # fmt: skip
def test_ranges(get, content, asked, start, stop):
    data, address = content
    answer = get(address, Range=asked)
    assert (answer.status, answer.body) == (206, data[start:stop])
    assert answer.header("Content-Range") == f"bytes {start}-{stop - 1}/{len(data)}"
    assert answer.header("Content-Length") == str(stop - start)
    head = get(address, "HEAD", Range=asked)
    assert (head.status, head.body) == (206, b"")
    assert head.header("Content-Range") == answer.header("Content-Range")


@pytest.mark.parametrize("asked", ["bytes=1024000-", "bytes=2000000-3000000", "bytes=-0"])
def test_ranges_beyond_the_end(get, content, asked):
    answer = get(content[1], Range=asked)
    assert (answer.status, answer.header("Content-Range")) == (416, "bytes */1024000")


@pytest.mark.parametrize(
    "asked", ["bytes=5-3", "bytes=0-1,5-6", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=" + "9" * 40 + "-"]
)
def test_what_is_no_range_gets_all(get, content, asked):
    answer = get(content[1], Range=asked)
    assert (answer.status, answer.body) == (200, content[0])
    assert answer.header("Accept-Ranges") == "bytes"


def test_conditions(get, content):
    data, address = content
    whole = get(address)
    tag, modified = whole.header("ETag"), whole.header("Last-Modified")
    assert get(address, If_None_Match=tag).status == 304
    assert get(address, If_Range=tag, Range="bytes=0-3").status == 206
    assert get(address, If_Range=modified, Range="bytes=0-3").status == 206
    assert (get(address, If_Range='"other"', Range="bytes=0-3").body) == data
    head = get(address, "HEAD")
    assert (head.status, head.body, head.header("Content-Length")) == (200, b"", str(len(data)))


def test_of_a_log_with_a_hole_the_text_is_served_and_ranges_count_in_the_file(lab, get, job):
    path = lab.logs(job) / "user" / "own" / "sparse.txt"
    assert has_holes(path)
    address = f"{PREFIX}/jobs/{job}/logs/user/own/sparse.txt"
    whole = get(address)
    assert (whole.status, whole.body) == (200, b"begin\nend\n")
    part = get(address, Range=f"bytes={5 << 20}-")
    assert (part.status, part.body) == (206, b"end\n")
    assert part.header("Content-Range") == f"bytes {5 << 20}-{(5 << 20) + 3}/{(5 << 20) + 4}"
    assert part.header("ETag") != whole.header("ETag")
    (listed,) = [
        item
        for item in get(f"{PREFIX}/jobs/{job}/logs").json["value"]
        if item["path"] == "user/own/sparse.txt"
    ]
    (first, last) = listed["data"]
    assert first[0] == 0
    assert first[1] < last[0] <= 5 << 20
    assert last[1] == listed["size"] == (5 << 20) + 4


def test_an_unambiguous_end_of_a_path_is_enough(get, job):
    address = f"{PREFIX}/jobs/{job}/logs"
    assert get(f"{address}/job_result.txt").body == get(f"{address}/user/job_result.txt").body
    assert get(f"{address}/link.txt").status == 404
    several = get(f"{address}/.txt")
    assert (several.status, several.error["code"]) == (400, "usage")


# --- outputs


def test_the_rows_are_served_and_nothing_of_jobs_that_keep_none(lab, get, job):
    answer = get(f"{PREFIX}/jobs/{job}/outputs/score")
    assert (answer.status, answer.body) == (200, b"000.csv\n001.csv\n")
    assert answer.header("Content-Type") == "text/csv; charset=utf-8"
    assert 'filename="predictions.csv"' in answer.header("Content-Disposition")
    assert get(f"{PREFIX}/jobs/{job}/outputs/score", Range="bytes=8-").body == b"001.csv\n"
    lab.deploy("counting", "def run(mini_batch):\n    return mini_batch\n", output_action="summary_only")
    none = get(f"{PREFIX}/jobs/{lab.run('counting', 1).name}/outputs/score")
    assert (none.status, none.error["target"]) == (404, "output")


def test_an_output_elsewhere_is_served_where_that_place_is_declared(lab, server, token):
    declared, hidden = lab.folder / "declared", lab.folder / "hidden"
    lab.deploy("names", PLAIN)
    names = {}
    for folder in (declared, hidden):
        folder.mkdir()
        (folder / "of-others.csv").write_text("not yours")
        job = lab.client.batch_endpoints.invoke(
            "batch",
            deployment_name="names",
            input=str(lab.data(1)),
            outputs={"score": str(folder / "rows.csv")},
        )
        names[folder] = lab.ended(job.name).name
    tokens = lab.client.session.read().tokens
    bound = tokens.create("bound", scopes=["read"], endpoint="batch")[1]

    def read(name, what, text=token):
        return server.send("GET", f"{PREFIX}/jobs/{name}/outputs{what}", token=text)

    assert read(names[declared], "/score").body == b"000.csv\n"
    assert [item["path"] for item in read(names[declared], "", bound).json["value"]] == ["rows.csv"]
    assert read(names[declared], "/score", bound).body == b"000.csv\n"
    others = read(names[declared], "/score/of-others.csv", bound)
    assert (others.status, others.error["code"]) == (403, "not_declared")
    for what in ("", "/score", "/score?preview=1", "/score/rows.csv"):
        answer = read(names[hidden], what)
        assert (answer.status, answer.error["code"]) == (403, "not_declared"), what
        assert b"not yours" not in answer.body
    (declared / "rows.csv").unlink()
    (declared / "rows.csv").symlink_to(hidden / "rows.csv")
    assert read(names[declared], "/score").status == 404
