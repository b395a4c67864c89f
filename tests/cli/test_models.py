import json

import pytest

from bdgan_cli.weights.files import file_sha256
from tests.weights import toy


@pytest.fixture
def cards(tmp_path, monkeypatch):
    return toy.use_cards(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def public_file(tmp_path_factory):
    return toy.write_public(tmp_path_factory.mktemp("public") / "toy.bin")


def states(run_cli):
    models = json.loads(run_cli("models", "list", "--json").stdout)["models"]
    return {model["name"]: model["weights"] for model in models}


def test_list_tells_what_is_installed(cards, run_cli, public_file):
    before = states(run_cli)
    assert (before["tiny-biggan"], before["vqgan"], before[toy.NAME]) == ("embedded", "not installed", "not installed")
    assert run_cli("models", "add", public_file, "--as", toy.NAME).code == 0
    assert states(run_cli)[toy.NAME] == "installed"


@pytest.mark.parametrize("command", ["info", "show"])
def test_a_model_is_described_with_its_sources(cards, run_cli, command):
    text = run_cli("models", command, "biggan-deep-128").stdout
    assert "https://s3.amazonaws.com/models.huggingface.co/biggan/biggan-deep-128-pytorch_model.bin" in text
    assert "b86146a8cfcde4cda135adba4b2806f78b3abe2dac9d0fd090cc3ab318604ad9" in text
    assert "not installed" in text


def test_add_says_what_it_found(cards, run_cli, public_file, tmp_path):
    done = run_cli("models", "add", public_file, "--as", toy.NAME, "--dry-run")
    assert done.code == 0
    assert "would be installed" in done.stdout
    assert "biggan-deep: BigGAN-deep as pytorch_pretrained_biggan saves it" in done.stdout
    assert "free for all" in done.stderr
    found = json.loads(run_cli("models", "add", public_file, "--as", toy.NAME, "--json").stdout)
    assert (found["schema_version"], found["layout"], found["resolution"]) == (1, "biggan-deep", 128)
    assert found["installed"] is True
    assert run_cli("models", "add", public_file, "--as", toy.NAME).code == 2
    assert run_cli("models", "add", public_file, "--as", toy.NAME, "--overwrite").code == 0


def test_add_refuses_a_web_page_in_one_line(cards, run_cli, tmp_path):
    (tmp_path / "w.pth").write_text("<html>no</html>")
    done = run_cli("models", "add", tmp_path / "w.pth", "--as", "biggan-512")
    assert done.code == 3
    assert f"error: {tmp_path / 'w.pth'} is a web page (HTML): expected a checkpoint" in done.stderr


def test_pull_installs_and_says_so(cards, run_cli, public_file):
    toy.add_card(cards, public_file.as_uri(), file_sha256(public_file))
    planned = run_cli("models", "pull", toy.NAME, "--dry-run")
    assert public_file.as_uri() in planned.stdout
    assert "free" in planned.stdout
    done = json.loads(run_cli("models", "pull", toy.NAME, "--json").stdout)["models"][0]
    assert done["state"] == "installed"
    assert done["added"]["layout"] == "biggan-deep"
    assert "already installed" in run_cli("models", "pull", toy.NAME).stdout


def test_pull_without_a_network_exits_with_all_that_is_needed(cards, run_cli):
    done = run_cli("models", "pull", toy.NAME)
    assert done.code == 4
    assert done.stderr.splitlines()[1:] == [
        "error: cannot fetch toy.bin: 127.0.0.1:9: Connection refused",
        "hint: bdgan models pull toy-deep",
        "or fetch one of these files where there is a network, and add it:",
        "    toy.bin  from  http://127.0.0.1:9/toy.bin",
        "    see also  https://example.org/folder",
        "bdgan models add toy.bin --as toy-deep",
    ]


def test_verify_exits_by_what_it_found(cards, run_cli, public_file, tmp_path):
    absent = run_cli("models", "verify", toy.NAME)
    assert absent.code == 4
    assert "not installed; bdgan models pull toy-deep" in absent.stdout
    run_cli("models", "add", public_file, "--as", toy.NAME)
    assert run_cli("models", "verify", toy.NAME).code == 0
    (tmp_path / "cache" / "models" / toy.NAME / "weights.safetensors").write_bytes(b"")
    broken = run_cli("models", "verify", toy.NAME, "--json")
    assert broken.code == 3
    assert "0 bytes, expected" in json.loads(broken.stdout)["models"][0]["problem"]


def test_verify_of_all_does_not_fail_for_what_is_not_installed(cards, run_cli):
    done = run_cli("models", "verify")
    assert done.code == 0
    assert "not installed; bdgan models pull vqgan" in done.stdout
