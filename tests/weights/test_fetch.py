import hashlib
import os
import socket

import pytest

from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.progress import Silent
from bdgan_cli.weights import fetch as module
from bdgan_cli.weights.card import Source
from bdgan_cli.weights.fetch import fetch
from tests.weights.server import Hosted, serving

CONTENT = bytes(range(256)) * 12_000  # 3.07 MB
SHA = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    monkeypatch.setattr(module, "RETRY_PAUSE_S", 0.0)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def server():
    with serving() as running:
        yield running


def source(*urls, sha256="", size=0):
    return Source("w.bin", urls, sha256, size)


class Watcher(Silent):
    """Keeps notes and what bars were told."""

    def __init__(self):
        self.notes, self.bars, self.advanced = [], [], 0

    def note(self, text):
        self.notes.append(text)

    def task(self, label, total, unit, done=0):
        self.bars.append((label, total, unit, done))
        watcher = self

        class Task:
            def __enter__(self):
                return self

            def __exit__(self, *ignored):
                return None

            def advance(self, amount=1, **figures):
                watcher.advanced += amount

        return Task()


def leftovers(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole_and_progress_is_told(server, tmp_path):
    server.hosted["w.bin"] = Hosted(CONTENT)
    watcher = Watcher()
    path = fetch(source(server.url("w.bin"), sha256=SHA, size=len(CONTENT)), tmp_path, watcher)
    assert path.read_bytes() == CONTENT
    assert leftovers(tmp_path) == ["w.bin"]
    assert watcher.bars == [("fetching w.bin", 4, "MB", 0)]
    assert watcher.advanced == 4


def test_a_cut_connection_goes_on_where_it_ended(server, tmp_path):
    server.hosted["w.bin"] = Hosted(CONTENT, cut_after=1_500_000, cuts=2)
    watcher = Watcher()
    path = fetch(source(server.url("w.bin")), tmp_path, watcher)
    assert path.read_bytes() == CONTENT
    assert server.requests == [("/w.bin", None), ("/w.bin", "bytes=1500000-"), ("/w.bin", "bytes=3000000-")]
    assert watcher.notes[0] == "w.bin: the connection ended after 1500000 of 3072000 bytes; asking again"


def test_another_run_goes_on_with_what_is_there(server, tmp_path):
    server.hosted["w.bin"] = Hosted(CONTENT, cut_after=1_000_000, cuts=1)
    leave_partial(server, tmp_path)
    fetch(source(server.url("w.bin")), tmp_path)
    assert server.requests[-1] == ("/w.bin", "bytes=1000000-")
    assert (tmp_path / "w.bin").read_bytes() == CONTENT


def leave_partial(server, folder):
    """Stop a download as Ctrl-C does, and check what is left."""

    class Stop(Silent):
        def note(self, text):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(source(server.url("w.bin")), folder, Stop())
    assert leftovers(folder) == ["w.bin.part", "w.bin.part.json"]


@pytest.mark.parametrize("knows_range", [True, False], ids=["changed", "no range"])
@pytest.mark.parametrize("etag", ['"one"', "", 'W/"weak"'])
def test_a_file_that_cannot_be_continued_is_fetched_anew(server, tmp_path, knows_range, etag):
    server.hosted["w.bin"] = Hosted(CONTENT, etag=etag, cut_after=1_000_000, cuts=1)
    leave_partial(server, tmp_path)
    other = CONTENT[::-1] + b"longer"
    content = other if knows_range else CONTENT
    server.hosted["w.bin"] = Hosted(content, etag='"two"' if knows_range else etag, knows_range=knows_range)
    assert fetch(source(server.url("w.bin")), tmp_path).read_bytes() == content


def test_a_file_that_became_shorter_is_fetched_anew(server, tmp_path):
    server.hosted["w.bin"] = Hosted(CONTENT, etag="", cut_after=1_000_000, cuts=1)
    leave_partial(server, tmp_path)
    server.hosted["w.bin"] = Hosted(CONTENT[:500], etag="")
    assert fetch(source(server.url("w.bin")), tmp_path).read_bytes() == CONTENT[:500]


def test_two_halves_of_different_files_are_noticed_by_the_checksum(server, tmp_path):
    server.hosted["w.bin"] = Hosted(b"x" * len(CONTENT), etag="", cut_after=1_000_000, cuts=1)
    leave_partial(server, tmp_path)
    server.hosted["w.bin"] = Hosted(CONTENT, etag="")
    assert fetch(source(server.url("w.bin"), sha256=SHA), tmp_path).read_bytes() == CONTENT


def test_a_complete_part_is_not_asked_for_again(server, tmp_path):
    server.hosted["w.bin"] = Hosted(CONTENT, cut_after=1_000_000, cuts=1)
    leave_partial(server, tmp_path)
    (tmp_path / "w.bin.part").write_bytes(CONTENT)
    asked = len(server.requests)
    assert fetch(source(server.url("w.bin")), tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == asked


def test_what_is_complete_is_not_fetched_again_unless_it_is_wrong(server, tmp_path):
    server.hosted["w.bin"] = Hosted(CONTENT)
    (tmp_path / "w.bin").write_bytes(b"old")
    assert fetch(source(server.url("w.bin")), tmp_path).read_bytes() == b"old"
    assert fetch(source(server.url("w.bin"), sha256=SHA), tmp_path).read_bytes() == CONTENT


def test_mirrors_are_tried_in_order(server, tmp_path):
    server.hosted["good/w.bin"] = Hosted(CONTENT)
    urls = [server.url("gone/w.bin"), server.url("good/w.bin"), server.url("third/w.bin")]
    assert fetch(source(*urls), tmp_path).read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == ["/gone/w.bin", "/good/w.bin"]


def test_a_mirror_that_keeps_cutting_is_left_for_the_next(server, tmp_path):
    server.hosted["bad/w.bin"] = Hosted(b"x" * 3_000_000, cut_after=0, cuts=99)
    server.hosted["good/w.bin"] = Hosted(CONTENT)
    assert fetch(source(server.url("bad/w.bin"), server.url("good/w.bin")), tmp_path).read_bytes() == CONTENT


def test_a_file_address_is_fetched(tmp_path):
    (tmp_path / "origin.bin").write_bytes(CONTENT)
    path = fetch(source((tmp_path / "origin.bin").as_uri(), sha256=SHA), tmp_path / "to")
    assert path.read_bytes() == CONTENT


def test_a_server_that_tells_no_length_is_believed(server, tmp_path):
    server.hosted["w.bin"] = Hosted(CONTENT, has_length=False)
    assert fetch(source(server.url("w.bin")), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("hosted", "expected", "message"),
    [
        (Hosted(CONTENT[:-1] + b"!"), {"sha256": SHA}, f"sent a file of sha256 .*, expected {SHA[:12]}"),
        (Hosted(CONTENT), {"size": 77}, "offers 3072000 bytes, expected 77"),
        (Hosted(CONTENT, has_length=False), {"size": 77}, "sent 3072000 bytes, expected 77"),
        (Hosted(b"<p>sign in", content_type="text/html; charset=utf-8"), {}, "web page .HTML., expected weights"),
        (Hosted(b"\n <!DOCTYPE html><title>quota"), {}, "web page .HTML., expected weights"),
        (Hosted(b""), {}, "sent nothing, expected weights"),
    ],
)
def test_other_content_is_refused(server, tmp_path, hosted, expected, message):
    server.hosted["w.bin"] = hosted
    with pytest.raises(DataError, match=message) as caught:
        fetch(source(server.url("w.bin"), **expected), tmp_path, by_hand="do this")
    assert caught.value.hint == "do this"
    assert "\n" not in caught.value.message
    assert not (tmp_path / "w.bin").exists()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://127.0.0.1:9/w.bin", "127.0.0.1:9: Connection refused"),
        ("file:///nowhere/w.bin", "No such file"),
    ],
)
def test_without_a_network_the_hint_says_what_to_do(tmp_path, url, message):
    with pytest.raises(MissingError, match=f"cannot fetch w.bin: .*{message}") as caught:
        fetch(source(url), tmp_path, by_hand="do this")
    assert caught.value.hint == "do this"
    assert "\n" not in caught.value.message


def test_a_server_that_is_silent_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/w.bin"
        with pytest.raises(MissingError, match="no answer within"):
            fetch(source(url), tmp_path)


def test_other_kinds_of_address_are_not_opened(tmp_path):
    with pytest.raises(DataError, match="no address of a kind that can be fetched"):
        fetch(source("ftp://example.org/w.bin"), tmp_path)
