"""A job with a mistake is told so: one line for each mistake, exit code 2, nothing run, no code run."""

from __future__ import annotations

import pytest

from e2e.command import forked, only, skymesh

JOB = """\
name: nightly
channels:
  a:
    access: [ztf_public]
    filter: {unit: AcceptAll}
"""


def with_filter(text):
    return JOB.replace("{unit: AcceptAll}", text)


def with_analyse(text):
    return JOB + f"    analyse: {text}\n"


def nested_aliases(indent=""):
    """Nine anchors, each nine times the one before: some hundred bytes that stand for 9**9 items."""
    lines = [f"{indent}a: &a [x, x, x, x, x, x, x, x, x]\n"]
    for one, next_ in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{indent}{next_}: &{next_} [{', '.join([f'*{one}'] * 9)}]\n")
    return "".join(lines)


MISTAKES = {
    "an empty file": ("", ["job", "mapping"]),
    "nothing but a comment": ("# soon\n", ["mapping"]),
    "text": ("hello\n", ["mapping"]),
    "a list": ("- 1\n", ["mapping"]),
    "unclosed bracket": ("name: [j\n", [":2", "YAML"]),
    "a tab": ("name: j\nchannels:\n\ta: 1\n", [":3", "YAML"]),
    "two documents": (JOB + "---\n" + JOB, ["YAML"]),
    "an undefined alias": ("a: *b\n", [":1", "alias"]),
    "a NUL byte": (JOB + "x: \0\n", ["YAML"]),
    "a date that is none": (JOB + "parameters: {d: 2020-13-45}\n", [":6"]),
    "no name": (JOB.replace("name: nightly\n", ""), ["name: this key is missing"]),
    "no channels": ("name: j\n", ["channels: this key is missing"]),
    "an empty set of channels": ("name: j\nchannels: {}\n", ["channels"]),
    "a path as a name": (JOB.replace("nightly", "../nightly"), ["name: "]),
    "a name with a line break": (JOB.replace("nightly", '"a\\nb"'), ["name: "]),
    "a number as a name": (JOB.replace("nightly", "5"), ["name: "]),
    "a channel with a space": (JOB.replace("  a:", '  "a b":'), ["channels.a b"]),
    "a number as a channel": (JOB.replace("  a:", "  1:"), ["channels.1"]),
    "a list as a channel's name": (JOB.replace("  a:", "  [1, 2]:"), [":3", "key"]),
    "an unknown key of the job": (JOB + "bogus: 1\n", ["bogus: unknown key"]),
    "an unknown key of a channel": (JOB + "    bogus: 1\n", ["channels.a.bogus: unknown key"]),
    "an unknown key of a unit": (with_filter("{unit: AcceptAll, bogus: 1}"), ["channels.a.filter.bogus"]),
    "a key with a control character": (JOB + '"\\e[31mred": 1\n', ["red", "unknown key"]),
    "a key twice": (JOB + "name: again\n", [":6", "'name'", "twice"]),
    "a channel twice": (JOB + JOB.partition("channels:\n")[2], [":6", "'a'", "twice"]),
    "no filter": ("name: j\nchannels:\n  a:\n    access: [ztf_public]\n", ["channels.a.filter", "missing"]),
    "an empty filter": (with_filter(""), ["channels.a.filter"]),
    "an unknown unit": (with_filter("{unit: Nope}"), ["channels.a.filter", "'Nope'", "AcceptAll"]),
    "a unit of another kind": (with_filter("{unit: FastDecliner}"), ["channels.a.filter", "no Filter"]),
    "an unknown parameter": (with_filter("{unit: AcceptAll, config: {x: 1}}"), ["channels.a.filter", "x: "]),
    "a missing parameter": (with_filter("{unit: SampleFilter}"), ["channels.a.filter", "rate"]),
    "a parameter of another type": (
        with_filter("{unit: SampleFilter, config: {rate: much}}"), ["channels.a.filter", "rate", "'much'"]),
    "a parameter out of range": (with_filter("{unit: SampleFilter, config: {rate: 2}}"), ["rate", "not 2"]),
    "a parameter that is NaN": (with_filter("{unit: SampleFilter, config: {rate: .nan}}"), ["rate", "nan"]),
    "a parameter that is infinite": (
        with_analyse("{d: {unit: FastDecliner, config: {max_gap_days: .inf}}}"), ["max_gap_days", "inf"]),
    "a number of 5000 digits": (
        with_filter(f"{{unit: SampleFilter, config: {{rate: {'9' * 5000}}}}}"), [":5"]),
    "an unknown label": (
        JOB.replace("ztf_public", "ztf_secret"), ["channels.a.access", "'ztf_secret'", "ztf_public"]),
    "no label": (JOB.replace("[ztf_public]", "[]"), ["channels.a.access"]),
    "a label that is no list": (JOB.replace("[ztf_public]", "ztf_public"), ["channels.a.access"]),
    "a boolean that is none": (JOB + "    follow: maybe\n", ["channels.a.follow", "maybe"]),
    "an input that the unit has not": (
        with_analyse("{d: {unit: FastDecliner, inputs: {x: d}}}"), ["channels.a.analyse.d.inputs", "'x'"]),
    "an instance with a slash": (with_analyse("{a/b: {unit: FastDecliner}}"), ["channels.a.analyse.a/b"]),
    "a summary of an unknown channel": (
        JOB + "summarise: {t: {unit: CandidateTable, channels: [zz], to: [file]}}\n",
        ["summarise.t.channels", "'zz'"]),
    "a summary of one channel twice": (
        JOB + "summarise: {t: {unit: CandidateTable, channels: [a, a], to: [file]}}\n",
        ["summarise.t.channels"]),
    "a summary to an unknown outlet": (
        JOB + "summarise: {t: {unit: CandidateTable, channels: [a], to: [fax]}}\n",
        ["summarise.t.to", "'fax'"]),
    "an unknown ${parameter}": (
        with_filter('{unit: SampleFilter, config: {rate: "${nope}"}}'),
        ["channels.a.filter.config.rate", "${nope}"]),
    "parameters that are a list": (JOB + "parameters: [1]\n", ["parameters", "mapping"]),
    "a tag that runs code": (JOB + "x: !!python/object/apply:pathlib.Path.touch ['ran']\n", [":6", "tag"]),
    "nothing but a tag that runs code": ("!!python/object/apply:os.system ['touch ran']\n", [":1", "tag"]),
    "a bomb of aliases": (nested_aliases() + JOB, ["bad.yaml"]),
    "a bomb of aliases in a unit": (
        with_filter("\n      unit: SampleFilter\n      config:\n" + nested_aliases(" " * 8)), ["bad.yaml"]),
    "a list that holds itself": ("a: &a [*a]\n" + JOB, ["bad.yaml"]),
    "parameters of a unit that hold themselves": (
        with_filter("{unit: AcceptAll, config: &c {x: *c}}"), ["bad.yaml"]),
    "twenty thousand brackets": ("a: " + "[" * 20_000 + "\n", ["bad.yaml", "nest"]),
}  # fmt: skip


@pytest.mark.parametrize("text, words", MISTAKES.values(), ids=MISTAKES.keys())
def test_one_mistake_is_one_line_that_says_what_and_where(tmp_path, text, words):
    (tmp_path / "bad.yaml").write_text(text)
    done = forked("check", "bad.yaml", cwd=tmp_path)
    line = only(done.mistakes)
    assert done.code == 2
    assert line.startswith("bad.yaml")
    assert [word for word in words if word not in line] == [], line
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


@pytest.mark.parametrize(
    "data",
    [bytes(range(256)), JOB.encode("utf-16"), JOB.encode() + b"# \xe9\n"],
    ids=["binary", "UTF-16", "Latin-1"],
)
def test_bytes_that_are_not_utf8_are_one_line(tmp_path, data):
    (tmp_path / "bad.yaml").write_bytes(data)
    done = forked("check", "bad.yaml", cwd=tmp_path)
    assert (done.code, only(done.mistakes)) == (2, "bad.yaml: cannot be read: not UTF-8 text")


@pytest.mark.parametrize("name", ["nowhere.yaml", "folder", "job.yaml/x", "", "Survey_Summary"])
def test_no_file_is_one_line_that_names_the_built_in_jobs(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "job.yaml").write_text(JOB)
    done = forked("check", name, cwd=tmp_path)
    assert done.code == 2
    assert "survey_summary" in only(done.mistakes)


def test_several_mistakes_are_a_line_each(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        "name: j\n"
        "channels:\n"
        "  a:\n"
        "    access: [ztf_secret, ztf_hidden]\n"
        "    filter: {unit: Nope}\n"
        "    analyse:\n"
        "      x: {unit: FastDecliner, config: {bogus: 1, max_gap_days: -1}}\n"
        "      y: {unit: AcceptAll}\n"
    )
    done = forked("check", "bad.yaml", cwd=tmp_path)
    assert done.code == 2
    told = done.mistakes
    for words in (
        ("a.access", "ztf_secret"), ("a.access", "ztf_hidden"), ("a.filter", "'Nope'"),
        ("analyse.x", "bogus"), ("analyse.x", "max_gap_days"), ("analyse.y", "no Analyser"),
    ):  # fmt: skip
        assert any(all(word in line for word in words) for line in told), (words, told)
    assert len(told) == 6


def test_two_unknown_parameters_are_two_lines(tmp_path):
    (tmp_path / "bad.yaml").write_text(
        with_filter('{unit: SampleFilter, config: {rate: "${one}", more: "${two}"}}')
    )
    told = forked("check", "bad.yaml", cwd=tmp_path).mistakes
    assert len(told) == 2
    assert "${one}" in told[0]
    assert "${two}" in told[1]


@pytest.mark.parametrize(
    "setting, words",
    [
        ("nope=1", ["'nope'", "rate"]),
        ("rate", ["rate", "="]),
        ("=1", ["=1"]),
        ("rate=2", ["rate", "not 2"]),
        ("rate=", ["rate"]),
        ("rate=.nan", ["rate", "nan"]),
        ("rate=[1", ["rate", "YAML"]),
        ("rate=!!python/name:os.system", ["rate", "tag"]),
    ],
)
def test_a_wrong_setting_is_one_line(tmp_path, setting, words):
    job = "parameters: {rate: 0.5}\n" + with_filter('{unit: SampleFilter, config: {rate: "${rate}"}}')
    (tmp_path / "job.yaml").write_text(job)
    done = forked("check", "job.yaml", "--set", setting, cwd=tmp_path)
    assert done.code == 2
    assert [word for word in words if word not in only(done.mistakes)] == []


WELL_FORMED = {
    "plain": JOB,
    "with a byte order mark": "\ufeff" + JOB,
    "one channel as another": JOB.replace("  a:", "  a: &a") + "  b: *a\n",
    "one channel as another but for a key": JOB.replace("  a:", "  a: &a") + "  b: {<<: *a, follow: true}\n",
    "empty parameters": JOB + "parameters:\n",
    "parameters of every type": JOB + "parameters: {a: 1, b: [x, {y: 2020-01-01}], c: null}\n",
}


@pytest.mark.parametrize("text", WELL_FORMED.values(), ids=WELL_FORMED.keys())
def test_a_job_without_mistakes_is_accepted(tmp_path, text):
    (tmp_path / "job.yaml").write_text(text)
    done = forked("check", "job.yaml", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "nightly/a" in done.out


def test_run_refuses_what_check_refuses_before_it_makes_anything(tmp_path):
    (tmp_path / "bad.yaml").write_text(JOB + "bogus: 1\n")
    done = skymesh("run", "bad.yaml", "--json", cwd=tmp_path)
    assert (done.code, only(done.mistakes)) == (2, "bad.yaml: bogus: unknown key")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]
