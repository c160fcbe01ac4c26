"""What may stand after `--model`, where its key comes from, and where no key may go."""

from __future__ import annotations

import builtins
import importlib.util
import os

import pytest

from evolve.errors import UsageError
from evolve.models.keys import MASK, Keys, read_keys
from evolve.models.names import model_named

CANARY = "sk-canary-0123456789abcdefghijklmnopqrstuvwxyz"
KEYS = Keys({"ANTHROPIC_API_KEY": CANARY, "OPENAI_API_KEY": CANARY + "2"})
needs_litellm = pytest.mark.skipif(
    importlib.util.find_spec("litellm") is None, reason="litellm, an extra, is not installed"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Give an empty folder, in an environment without any key."""
    for name in read_keys(tmp_path).names:
        monkeypatch.delenv(name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "api", "adapter"),
    [
        ("anthropic/claude-x", None, "AnthropicMessages"),
        ("anthropic/claude-x@http://127.0.0.1:8000/v1", None, "AnthropicMessages"),
        ("openai/gpt-x", None, "OpenAIResponses"),
        ("openai/gpt-x", "chat", "OpenAIChat"),
        ("openai/qwen:7b@http://127.0.0.1:11434/v1", None, "OpenAIChat"),
        ("openai/org/name@http://10.0.0.1:8000/v1", None, "OpenAIChat"),
        ("openai/odd@name@https://host.example/v1", "responses", "OpenAIResponses"),
        pytest.param(
            "hosted_vllm/x@http://[::1]:1/v1", None, "LiteLLMCompletion", marks=needs_litellm
        ),
    ],
)
def test_a_name_says_which_wire_and_is_kept_as_it_was_written(name, api, adapter):
    model = model_named(name, keys=KEYS, api=api)
    assert (type(model).__name__, model.name) == (adapter, name)
    assert CANARY not in repr(model)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gpt-x", "openai/NAME"),
        ("openai/", "openai/NAME"),
        ("/x", "openai/NAME"),
        ("openai/x@http://me:secret@host/v1", "no user or password"),
        ("openai/x@http://host/v1?key=secret", "http(s)://HOST"),
        ("openai/x@http:///v1", "http(s)://HOST"),
        ("openai/x@http://ho st/v1", "http(s)://HOST"),
        ("openai/x@http://host:port/v1", "cannot be read"),
    ],
)
def test_an_unknown_form_is_refused_with_what_may_be_said(name, message):
    with pytest.raises(UsageError) as refused:
        model_named(name, keys=KEYS)
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("anthropic/x", "ANTHROPIC_API_KEY"),
        ("openai/x", "OPENAI_API_KEY"),
        pytest.param("groq/x", "GROQ_API_KEY", marks=needs_litellm),
        pytest.param("azure/x", "AZURE_API_BASE", marks=needs_litellm),
    ],
)
def test_a_missing_key_is_named(folder, name, variable):
    with pytest.raises(UsageError, match=variable):
        model_named(name, keys=Keys())


@needs_litellm
def test_a_provider_that_nobody_knows_is_refused(folder):
    with pytest.raises(UsageError, match="no such provider"):
        model_named("nobody-knows/x", keys=Keys())


@needs_litellm
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("antropic/claude-x", "anthropic"),
        ("Anthropic/claude-x", "anthropic"),
        ("opnai/x@http://127.0.0.1:1/v1", "openai"),
        ("gemni/x", "gemini"),
    ],
)
def test_a_misspelt_provider_is_recognised(folder, name, meant):
    with pytest.raises(UsageError, match=rf"no such provider; did you mean {meant}\?$"):
        model_named(name, keys=Keys())


@pytest.fixture
def without_litellm(monkeypatch):
    """Make it as if litellm were not installed, and had not been imported before."""
    real = builtins.__import__

    def import_all_else(name, *rest, **named):
        if name.partition(".")[0] == "litellm":
            raise ImportError(name)
        return real(name, *rest, **named)

    from evolve.models import litellm_completion

    litellm_completion._library.cache_clear()
    monkeypatch.setattr(builtins, "__import__", import_all_else)


def test_a_missing_extra_is_told_with_the_command_that_brings_it(without_litellm):
    with pytest.raises(
        UsageError, match=r"x: it needs litellm: pip install 'evolve-search\[litellm"
    ):
        model_named("groq/x", keys=Keys())


def test_whoever_misspells_anthropic_need_not_install_litellm_to_hear_it(without_litellm):
    with pytest.raises(UsageError, match=r"did you mean anthropic\? Else it needs litellm"):
        model_named("antropic/claude-x", keys=Keys())


def test_a_key_copied_with_strange_characters_is_refused_and_not_shown():
    with pytest.raises(UsageError, match="OPENAI_API_KEY") as refused:
        model_named("openai/x", keys=Keys({"OPENAI_API_KEY": CANARY + "\u2026"}))
    assert CANARY not in str(refused.value)


def test_keys_come_from_the_environment_and_then_from_a_file(folder, monkeypatch):
    (folder / ".env").write_text(
        "export OPENAI_API_KEY='sk-of-the-file'\nANTHROPIC_API_KEY=sk-ant # a comment\n"
        "GROQ_API_KEY=\nPATH_TO_DATA=/tmp\n"
    )
    monkeypatch.setenv("OPENAI_API_KEY", " sk-of-the-environment\n")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    keys = read_keys(folder)
    assert keys.names == ("ANTHROPIC_API_KEY", "OPENAI_API_KEY")
    assert keys.get("OPENAI_API_KEY") == "sk-of-the-environment"
    assert keys.get("ANTHROPIC_API_KEY") == "sk-ant"
    assert "PATH_TO_DATA" not in os.environ
    assert repr(keys) == "Keys(ANTHROPIC_API_KEY, OPENAI_API_KEY)"


def test_a_file_that_is_no_text_is_told_by_its_name(folder):
    (folder / ".env").write_bytes(b"\xff\xfe\x00K=1")
    with pytest.raises(UsageError, match=r"\.env"):
        read_keys(folder)


def test_a_folder_of_that_name_is_a_virtual_environment(folder):
    (folder / ".env").mkdir()
    assert read_keys(folder).names == ()


ALIKE = Keys({"A_API_KEY": "sk-alike-0000-first", "B_API_KEY": "sk-alike-0000-second-longer"})


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("no key here", "no key here"),
        ("a sk-alike-0000-first b", f"a {MASK} b"),
        ("sk-alike-0000-second-longer", MASK),
        ("sk-alike-0000-second-longersk-alike-0000-first", MASK + MASK),
        ("cut: sk-alike-0000-seco...", f"cut: {MASK}..."),
        ("shown: sk-alike-0000-****", f"shown: {MASK}****"),
        ("too short to tell: sk-alike", "too short to tell: sk-alike"),
    ],
)
def test_keys_and_long_beginnings_of_them_are_taken_out_of_texts(text, clean):
    assert ALIKE.scrub(text) == clean


def test_words_that_stand_for_no_key_are_left_alone():
    assert Keys({"OPENAI_API_KEY": "EMPTY"}).scrub("EMPTY text") == "EMPTY text"
