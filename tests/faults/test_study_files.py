"""1,000 study files with mistakes: each is read, or refused with every fault named.

Nothing is solved: reading alone must find what is wrong.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from pyomo_dlmp.errors import DlmpError, StudyFileError, shown
from pyomo_dlmp.study import Study, read_study
from tests.faults.junk import check_error
from tests.faults.study_mutations import (
    SOUND,
    at,
    changed,
    mutated_data,
    mutated_text,
    places,
    text_of,
    toml,
)

WRITTEN = Path("examples/studies/ieee37_unbalance.toml").read_text(encoding="utf-8")


@pytest.fixture
def read(tmp_path):
    def reading(text: str) -> Study:
        path = tmp_path / "study.toml"
        path.write_bytes(text.encode("utf-8"))
        return read_study(path)
    return reading


def test_the_study_that_is_mutated_is_sound(read):
    assert len(read(text_of(SOUND)).runs) == 8


@pytest.mark.parametrize("kind", ["data", "text"])
def test_a_mutated_study_is_read_or_refused(kind, read, caplog, capsys):
    refused = 0
    for seed in range(500):
        rng = random.Random(f"{kind} {seed}")
        text = mutated_data(rng) if kind == "data" else mutated_text(
            rng, rng.choice([text_of(SOUND), WRITTEN]))
        try:
            study = read(text)
            assert isinstance(study, Study) and study.runs
        except StudyFileError as error:
            check_error(error)
            refused += 1
        except Exception as error:
            raise AssertionError(f"{kind}, seed {seed}") from error
    assert refused > 250
    assert not caplog.records and capsys.readouterr() == ("", "")


def named(error: DlmpError, words: list[str]) -> bool:
    """Whether one of the faults holds all the words."""
    return any(all(word in str(fault) for word in words) for fault in error.faults)


def word_of(path: tuple) -> str:
    """The innermost key of a path that is a word."""
    return [str(key) for key in path if isinstance(key, str)][-1]


TEXTS = {"title", "name", "site"}  # any text is right, or is another's name


@pytest.mark.parametrize("wrong", [{"odd": 1}, math.nan, [[["odd"]]], "2024-01-01T00:00:00Z"],
                         ids=["table", "nan", "lists", "date"])
def test_a_wrong_value_is_named_with_its_key(wrong, read):
    """One mistake at a time, everywhere: the fault names the key and the value."""
    missed = []
    for path in places(SOUND):
        if isinstance(at(SOUND, path), dict) and isinstance(wrong, dict):
            continue
        if path in (("dso", "load_scale"), ("case", 1, "dso", "price")) and wrong == {"odd": 1}:
            continue  # multipliers by load; their names are checked below
        try:
            read(text_of(changed(path, wrong)))
            missed.append((path, "accepted"))
        except StudyFileError as error:
            value = "2024" if isinstance(wrong, str) else "odd" if not isinstance(
                wrong, float) else "nan"
            if not named(error, [word_of(path), value]):
                missed.append((path, str(error)))
    assert not missed, "\n".join(map(str, missed[:10]))


def test_a_mistyped_key_is_named_with_the_right_one(read):
    missed = []
    for path in places(SOUND):
        inside, key = at(SOUND, path[:-1]), path[-1]
        if not isinstance(key, str):
            continue
        data = changed(path, inside[key])
        at(data, path[:-1])[f"{key}x"] = at(data, path[:-1]).pop(key)
        try:
            read(text_of(data))
            missed.append((path, "accepted"))
        except StudyFileError as error:
            if not named(error, [f"'{key}x'", f"'{key}'", "Did you mean"]):
                missed.append((path, str(error)))
    assert not missed, "\n".join(map(str, missed[:10]))


@pytest.mark.parametrize("path, wrong, right", [
    (("feeder",), "ieee73", "ieee37"), (("solver", "name"), "higs", "highs"),
    (("market", "kinds", 0), "strategc", "strategic"), (("aggregator", "pays"), "activ", "active"),
    (("dso", "losses"), "quadratc", "quadratic"),
    (("dso", "form"), "lindst", "lindist"), (("dso", "voltage_limits"), "sof", "soft"),
    (("dso", "load_scale"), {"S701x": 1.0}, "S701a"), (("generator", 0, "bus"), "7411", "741"),
    (("case", 1, "svg", 0, "bus"), "7111", "711"), (("unbalance", "buses", 0), "7300", "730"),
    (("price_taker", 0, "sites", 0), "othr", "other"), (("job", 0, "sites", 0), "dcc", "dc"),
    (("llm", 0, "model"), "Llama-3.1-8b", "Llama-3.1-8B"), (("training", 0, "site"), "dcc", "dc"),
    (("llm", 0, "sites", 0), "dcc", "dc"), (("smoothing", 0, "site"), "dcc", "dc"),
    (("servers", 0, "site"), "dcc", "dc"), (("load", 0, "model"), "powr", "power"),
    (("storage", 0, "bus"), "74l", "741"),
    (("case", 1, "svg", 0, "connection"), "dleta", "delta"),
])
def test_a_mistyped_name_is_named_with_the_nearest(path, wrong, right, read):
    with pytest.raises(StudyFileError) as caught:
        read(text_of(changed(path, wrong)))
    value = next(iter(wrong)) if isinstance(wrong, dict) else wrong
    assert named(caught.value, [repr(value), f"Did you mean {right!r}"]) or named(
        caught.value, [repr(value), repr(right), "Did you mean"]), str(caught.value)


@pytest.mark.parametrize("path, wrong", [
    (("time", "periods"), 0), (("time", "periods"), 10**9), (("time", "hours"), -1.0),
    (("dso", "load_scale"), -0.5), (("dso", "price"), [1, 2, 3]), (("dso", "v_min"), 1.2),
    (("dso", "penalty"), -5), (("dso", "thermal_penalty"), -5), (("unbalance", "price"), -2),
    (("aggregator", "tariff"), [1]), (("market", "max_rounds"), 0),
    (("ac", "max_rounds"), 0), (("ac", "deviations"), -1), (("sweep", "loading"), [0]),
    (("solver", "gap"), 5), (("solver", "time_limit"), 0), (("generator", 0, "kw_max"), -1),
    (("generator", 0, "phases"), "abd"), (("datacenter", 0, "power_factor"), 1.5),
    (("price_taker", 0, "energy_share"), 1.5), (("servers", 0, "pue"), [1.2]),
    (("job", 0, "deadline"), 5), (("ups", 0, "efficiency"), 2), (("smoothing", 0, "kw"), 0),
    (("llm", 0, "idle_w"), -3), (("llm", 0, "error"), 1.5), (("training", 0, "gpus"), 0),
    (("training", 0, "swing"), 1.5), (("results",), "pyproject.toml"),
    (("case", 1, "dso", "v_min"), 1.5), (("case", 1, "unbalance", "limit"), -1),
    (("datacenter", 1, "name"), "dc"), (("case", 1, "name"), "no SVG"),
    (("aggregator", "energy_mwh"), -3), (("aggregator", "energy_share"), 1.5),
    (("market", "kinds"), "strategic"), (("sweep", "loading"), [1, 1.0000001]),
])
def test_a_value_out_of_its_range_is_named_once(path, wrong, read):
    with pytest.raises(StudyFileError) as caught:
        read(text_of(changed(path, wrong)))
    value = wrong[0] if isinstance(wrong, list) and len(wrong) == 1 else wrong
    word = "[1, 2, 3]" if wrong == [1, 2, 3] else shown(value)
    key = word_of(path)
    texts = [str(fault) for fault in caught.value.faults]
    assert any(key in text for text in texts) and len(set(texts)) == len(texts)
    assert any(w in text for text in texts for w in (word, "values for 2 periods", "5", "twice"))
    assert len(texts) <= 3, texts


def test_all_faults_come_in_one_error(read):
    """An unknown feeder beside wrong keys, values, names and cases."""
    data = changed(("feeder",), "ieee73")
    for path, wrong in ((("solver", "name"), "higs"), (("dso", "v_min"), 1.2),
                        (("dso", "load_scale"), -1), (("generator", 0, "kw_max"), -3.0),
                        (("storage", 0, "name"), "g"), (("market", "kinds"), ["coop"]),
                        (("time", "hours"), math.inf), (("job", 0, "arrival"), 7),
                        (("case", 1, "svg", 0, "kvar"), math.nan)):
        at(data, path[:-1])[path[-1]] = wrong
    data["unknown"] = 1
    with pytest.raises(StudyFileError) as caught:
        read(text_of(data))
    for words in (["ieee73", "ieee37"], ["higs", "highs"], ["v_min", "1.2"], ["load_scale", "-1"],
                  ["generator 'g'", "kw_max", "-3"], ["storage 'g'", "taken"], ["kinds", "coop"],
                  ["hours", "inf"], ["job 'j'", "arrival 7"], ["svg 's'", "kvar", "nan"],
                  ["unknown key 'unknown'"]):
        assert named(caught.value, words), (words, str(caught.value))
    assert all(str(fault).count("study.toml") == 1 for fault in caught.value.faults)


@pytest.mark.parametrize("what", [None, 5, ["ieee37"], b"ieee37", "", "x" * 5000, "a\x00b.toml",
                                  "tests", "."])
def test_what_is_no_study_file(what):
    with pytest.raises(StudyFileError) as caught:
        read_study(what)
    check_error(caught.value)


def test_a_byte_order_mark_is_no_fault(read):
    assert read("\ufeff" + WRITTEN).runs and toml("a") == '"a"'
