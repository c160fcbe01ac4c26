"""The attack suite at every level of this machine, as this user and as an ordinary one, and bare."""

import os
import sys
from pathlib import Path

import pytest

import sandbox
from sandbox import LEVELS, Job, Sandbox
from sandbox.attack import Attack, BadAttack, attacks
from sandbox.attack import _read as read
from sandbox.bare import Unsafe, bite
from sandbox.levels import survey
from sandbox.proof import Finding, Proof, prove

ROOT = Path(sandbox.__file__).parents[1]
SUITE = attacks()
# Only the quick ones are part of `make quick`. Nothing is meant to hold ill will at level weak, and what bites without a wall changes only with
# the attack: but for the quick ones both are left to `make soak`.
LATER = pytest.mark.slow, pytest.mark.soak
PROMISED = [
    pytest.param(level, each, marks=() if each.quick else LATER[level == "weak"])
    for level in LEVELS
    for each in SUITE
    if each.promised_at(level)
]
RUN_BARE = [
    pytest.param(each, marks=pytest.mark.slow if each.quick else pytest.mark.soak)
    for each in SUITE
    if each.bare in ("bites", "bites as root", "depends")
]
UNSAFE = [each for each in SUITE if each.bare == "unsafe"]
FAMILIES = {
    *("time", "memory", "processes", "exits", "output"),
    *("files", "network", "kernel", "scoring"),
}
PATIENCE_S = 300  # for the whole suite on a loaded machine; it takes some ten seconds


def lacking() -> dict[str, str]:
    """Give the levels that this machine may lack, with the reason."""
    file = ROOT / ".ci" / "levels"
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.split(maxsplit=1) for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def proof(request):
    level = request.param
    if not survey()[level].available:
        pytest.skip(f"level {level}: {survey()[level].reason}")
    with Proof(level) as proof:
        yield proof


def name_of(value):
    return value.name if isinstance(value, Attack) else str(value)


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_that_is_missing_here_is_named(level):
    found = survey()[level]
    assert found.available or level in lacking(), (
        f"level {level} is not available ({found.reason}): mend that, or name it in .ci/levels"
    )


@pytest.mark.parametrize(("proof", "attack"), PROMISED, indirect=["proof"], ids=name_of)
def test_the_wall_holds(proof, attack):
    finding = proof.run(attack)
    assert finding.held, finding.said


@pytest.mark.parametrize("attack", RUN_BARE, ids=name_of)
def test_it_bites_without_a_wall(attack):
    said = bite(attack)
    if attack.bare == "depends" and not said:
        pytest.skip(f"it does not bite here: it depends {attack.bare_note}")
    if attack.bare == "bites as root" and os.getuid() != 0:
        pytest.skip("it bites for root only")
    assert said


@pytest.mark.parametrize("attack", UNSAFE, ids=name_of)
def test_what_is_unsafe_is_never_run_without_a_wall(attack):
    assert attack.bare_note
    with pytest.raises(Unsafe, match=attack.bare_note):
        bite(attack)


@pytest.mark.slow
@pytest.mark.parametrize("level", [name for name in LEVELS[1:] if survey()[name].available])
def test_the_wall_holds_for_an_ordinary_user(level, as_nobody):
    if os.getuid() != 0:
        pytest.skip("these tests run as an ordinary user already")
    told = as_nobody([sys.executable, "-B", "-m", "sandbox.proof", "--level", level], PATIENCE_S)
    promised = [each for each in SUITE if each.promised_at(level)]
    held = [line for line in told.stdout.splitlines() if line.startswith("held ")]
    bites = [line for line in told.stdout.splitlines() if line.startswith("BITES")]
    assert bites == [], told.stderr
    assert len(held) == len(promised), told.stderr


def test_every_family_has_its_attacks_and_each_says_what_it_must():
    assert {attack.family for attack in SUITE} == FAMILIES
    assert len(SUITE) >= 85
    for attack in SUITE:
        assert attack.title.endswith("."), attack.name
        assert attack.bare_note or attack.bare in ("bites", "bites as root"), attack.name
        assert attack.source.count("\n") <= 60, f"{attack.name} is not small"


def test_the_quick_selection_is_a_dozen_of_many_families():
    quick = attacks(quick=True)
    assert 10 <= len(quick) <= 20
    assert len({attack.family for attack in quick}) >= 6
    assert any(
        attack.promised_at("landlock") and not attack.promised_at("weak") for attack in quick
    )


def test_an_attack_that_says_nonsense_is_refused(tmp_path):
    path = tmp_path / "family" / "nonsense.py"
    path.parent.mkdir()
    path.write_text('"""Do it.\n\nSeen: applause\nHeld from: weak\nBare: bites\n"""\n')
    with pytest.raises(BadAttack, match=r"nonsense\.py: ValueError: 'applause' is none of ok"):
        read(path)


def find(source: str, *, seen: str = "held", tmp_path: Path) -> Finding:
    """Run a source as an attack at the weakest level, with what must be seen of it."""
    path = tmp_path / "test" / "made_up.py"
    path.parent.mkdir()
    path.write_text(f'"""Do it.\n\nSeen: {seen}\nHeld from: weak\nBare: bites\n"""\n{source}')
    [finding] = prove("weak", [read(path)])
    return finding


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 'bitten: all'", "bitten: all"),
        ("return open(others['secret_file']).read()", "it shows the secret"),
        ("open(others['target_file'], 'w').close()", "was changed"),
        ("open('/tmp/' + others['mark'], 'w').close()", "was left"),
        ("os.kill(others['sibling'], 9)", "the sibling process was harmed"),
        ("os.kill(os.getppid(), 9)", "of the sandbox was ended"),
        ("socket.create_connection(('127.0.0.1', others['tcp_port']))", "the TCP listener"),
        ("nonsense", "the attack itself is broken: NameError"),
    ],
)
def test_a_wall_that_does_not_hold_is_noticed(body, said, tmp_path):
    source = f"import os, socket\ndef attack(**others):\n    {body}\n"
    finding = find(source, tmp_path=tmp_path)
    assert not finding.held
    assert said in finding.said


def test_another_end_than_the_one_that_must_be_seen_is_noticed(tmp_path):
    source = "def attack(**others): return 1"
    finding = find(source, seen="timeout, cpu_s | crashed", tmp_path=tmp_path)
    assert (finding.held, finding.said) == (False, "ended as ok: 1")


def test_a_sandbox_that_does_something_else_afterwards_is_noticed(monkeypatch):
    [attack] = [each for each in SUITE if each.name == "scoring/leave_modules"]
    with Proof("weak") as proof:
        assert proof.run(attack).held
        run = Sandbox.run

        def leaky(box, job):
            return run(box, Job(job.source.replace("clean", "dirty"), job.entry, job.input))

        monkeypatch.setattr(Sandbox, "run", leaky)
        finding = proof.run(attack)
    assert not finding.held
    assert "an honest program before it gives another stdout" in finding.said
