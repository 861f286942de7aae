"""Logs: times, levels, components, and lines that run on."""

import pytest

from tests.sandbox.child.records.given import read


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (
            "2023-01-06 12:30:01,250 INFO app.pump: started",
            {
                "time": "2023-01-06 12:30:01,250", "level": "INFO", "component": "app.pump",
                "text": "started",
            },
        ),
        (
            "2023-01-06T12:30:01Z [ERROR] pump is off",
            {"time": "2023-01-06T12:30:01Z", "level": "ERROR", "text": "pump is off"},
        ),
        (
            "[2023-01-06 12:30:01] [pump] WARN: low",
            {"time": "2023-01-06 12:30:01", "component": "pump", "level": "WARN", "text": "low"},
        ),
        (
            "Jan  6 12:30:01 yard pumpd[311]: started",
            {
                "time": "Jan  6 12:30:01", "host": "yard", "component": "pumpd[311]",
                "text": "started",
            },
        ),
        (
            "2023/01/06 12:30:01 listening",
            {"time": "2023/01/06 12:30:01", "text": "listening"},
        ),
        (
            "2023-01-06 12:30:01,250 - app.pump - WARNING - low",
            {
                "time": "2023-01-06 12:30:01,250", "component": "app.pump", "level": "WARNING",
                "text": "low",
            },
        ),
        (
            "2023-01-06T12:30:01.003250+02:00 yard pumpd[311]: started",
            {
                "time": "2023-01-06T12:30:01.003250+02:00", "host": "yard",
                "component": "pumpd[311]", "text": "started",
            },
        ),
        (
            "2023-01-06 12:30:01 CET ERROR off",
            {"time": "2023-01-06 12:30:01 CET", "level": "ERROR", "text": "off"},
        ),
        (
            "<34>1 2023-01-06T12:30:01.003Z yard pumpd 311 ID47 [a@1 b=\"c\"] started",
            {
                "time": "2023-01-06T12:30:01.003Z", "host": "yard", "component": "pumpd",
                "process": "311", "message_id": "ID47", "text": "started",
            },
        ),
        (
            "ERROR:app.pump:off: again",
            {"level": "ERROR", "component": "app.pump", "text": "off: again"},
        ),
        ("12:30:01 - debug - tick", {"time": "12:30:01", "level": "debug", "text": "tick"}),
    ],
)  # fmt: skip
def test_entries_of_common_logs(line: str, entry: dict[str, str]) -> None:
    raw = read("\n".join([line] * 4))
    assert raw.kind == "entries of a log"
    assert raw.rows == [entry] * 4
    assert raw.names == list(entry)


def test_a_traceback_belongs_to_its_entry() -> None:
    raw = read(
        "log of pump 7\n"
        "2023-01-06 12:30:01 ERROR pump: failed\nTraceback (most recent call last):\n"
        '  File "pump.py"\nOSError\n2023-01-06 12:30:02 INFO pump: on\n'
        "2023-01-06 12:30:03 INFO pump: on\n  still on\nend of log\n"
    )
    assert raw.header == ["log of pump 7"]
    assert raw.rows[0]["text"] == (
        'failed\nTraceback (most recent call last):\n  File "pump.py"\nOSError'
    )
    assert raw.rows[2]["text"] == "on\n  still on"
    assert raw.footer == ["end of log"]


def test_requests_of_a_web_server() -> None:
    line = (
        '10.0.0.7 - ann [06/Jan/2023:12:30:01 +0000] "GET /a?b=\\"c\\" HTTP/1.1" 200 512 "-" "curl"'
    )
    raw = read("\n".join([line] * 4))
    assert raw.rows[0] == {
        "client": "10.0.0.7", "identity": "-", "user": "ann", "time": "06/Jan/2023:12:30:01 +0000",
        "request": 'GET /a?b=\\"c\\" HTTP/1.1', "method": "GET", "path": '/a?b=\\"c\\"',
        "status": "200", "bytes": "512", "referrer": "-", "agent": "curl",
    }  # fmt: skip
    assert raw.names == list(raw.rows[0])


def test_what_a_web_server_adds_and_what_is_no_request_is_kept() -> None:
    start = "10.0.0.7 - - [06/Jan/2023:12:30:01 -0700]"
    lines = [f'{start} "GET / HTTP/1.0" 200 -'] * 3
    lines += [f'{start} "\\x16\\x03" 400 0 "-" "-" "-" 0.01', f'{start} "" 408 0']
    raw = read("\n".join(lines))
    assert [row.get("method") for row in raw.rows] == ["GET", "GET", "GET", None, None]
    assert [row["request"] for row in raw.rows[2:]] == ["GET / HTTP/1.0", "\\x16\\x03", ""]
    assert raw.rows[3]["rest"] == '"-" 0.01'
    assert raw.names[-3:] == ["referrer", "agent", "rest"]


def test_a_level_that_some_entries_lack_is_left_out_there() -> None:
    lines = [f"2023-01-06 12:30:0{i} INFO on" for i in range(6)]
    raw = read("\n".join([*lines, "2023-01-06 12:31:00 no level here"]))
    assert raw.rows[-1] == {"time": "2023-01-06 12:31:00", "text": "no level here"}
