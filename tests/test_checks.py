"""Test how severities of checks are combined."""

from atft_kedro.checks import CheckResult, choose_severity, find_worst


def test_the_worst_severity_counts() -> None:
    ok, warn, error = CheckResult.ok("a", ""), CheckResult.warn("b", "", "do"), CheckResult.error("c", "")
    groups = ([], [ok], [warn, ok], [ok, error, warn])

    worst = [find_worst(check.severity for check in checks) for checks in groups]

    assert worst == ["ok", "ok", "warn", "error"]
    assert warn.advice == ("do",)


def test_the_worst_true_condition_decides() -> None:
    assert choose_severity((False, "error"), (True, "warn")) == "warn"
    assert choose_severity((True, "warn"), (True, "error")) == "error"
    assert choose_severity((False, "error")) == "ok"
