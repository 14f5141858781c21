"""The file of alarms: what it says, and how mistakes in it are answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecgfast.alarms import AlarmRule, AlarmSettings, read_settings
from ecgfast.errors import InputError
from ecgfast.rhythm import EventKind

WHOLE = """
[thresholds]
asystole = 4
tachycardia = 120.0

[alarms.asystole]
after = 5.0
latching = false

[alarms.noise]
enabled = false

[alarms.bradycardia]
priority = "medium"
min_confidence = 0.5

[[actions]]
kind = "bell"

[[actions]]
kind = "command"
priority = "high"
command = ["notify-send", "ecgfast", "{text}"]

[[actions]]
kind = "mqtt"
host = "broker"
"""


MQTT = "[[actions]]\nkind = 'mqtt'\n"


def settings(tmp_path: Path, text: str) -> AlarmSettings:
    path = tmp_path / "alarms.toml"
    path.write_text(text)
    return read_settings(path)


def test_what_the_file_says_counts_and_the_rest_is_as_by_default(tmp_path: Path) -> None:
    found = settings(tmp_path, WHOLE)
    default = AlarmSettings()
    assert found.thresholds == {"asystole": 4.0, "tachycardia": 120.0}
    assert found.rules[EventKind.ASYSTOLE] == AlarmRule("high", after=5.0, latching=False)
    assert EventKind.NOISE not in found.rules
    assert found.rules[EventKind.BRADYCARDIA] == AlarmRule("medium", min_confidence=0.5)
    assert found.rules[EventKind.GAP] == default.rules[EventKind.GAP]
    assert [(action.kind, action.priority) for action in found.actions] == [
        ("bell", "low"), ("command", "high"), ("mqtt", "low"),
    ]  # fmt: skip
    assert settings(tmp_path, "") == default
    assert default.actions == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[alarm.asystole]", "'alarm' is no table; did you mean alarms?"),
        ("[alarms.assystole]", "'assystole' is no kind of event; did you mean asystole?"),
        (
            "[alarms.asystole]\naftr = 1",
            "'aftr' is no setting of alarms.asystole; did you mean after",
        ),
        ("[alarms.asystole]\nafter = '5'", "alarms.asystole.after is '5': give a number from 0"),
        ("[alarms.asystole]\nafter = -1", "give a number from 0"),
        ("[alarms.asystole]\nafter = nan", "give a number from 0"),
        ("[alarms.asystole]\nlatching = 1", "latching is 1: give true or false"),
        ("[alarms.asystole]\npriority = 'urgent'", "give one of low, medium, high"),
        ("alarms = 3", r"alarms is no table: write \[alarms\]"),
        ("[alarms]\nasystole = true", r"is no table: write \[alarms.asystole\]"),
        ("[thresholds]\nasystol = 3", "'asystol' is no threshold; did you mean asystole?"),
        ("[thresholds]\nasystole = 0", "thresholds.asystole is 0: give a number above 0"),
        ("[thresholds]\nasystole = true", "give a number above 0"),
        ("[[actions]]\nkind = 'email'", "is 'email': give one of bell, command, webhook, mqtt"),
        ("[actions]\nkind = 'bell'", r"actions is no list: begin each action with \[\[actions\]\]"),
        ("[[actions]]\nkind = 'mqtt'", r"actions\[0\] \(mqtt\) needs host"),
        ("[[actions]]\nkind = 'mqtt'\nhost = 3", r"actions\[0\].host is 3: it has another type"),
        ("[[actions]]\nkind = 'command'\ncommand = 'rm'", "has another type"),
        ("[[actions]]\nkind = 'command'\ncommand = []", "give a list of texts"),
        ("[[actions]]\nkind = 'webhook'\nurl = 'file:///etc/passwd'", "it begins with https://"),
        ("[[actions]]\nkind = 'webhook'\nurl = 'https://'", "no address; give one such as"),
        ("[[actions]]\nkind = 'webhook'\nurl = 'http://a:b/'", "no address; give one such as"),
        ("[[actions]]\nkind = 'webhook'\nurl = 'http://a b/'", "no address; give one such as"),
        (
            "[[actions]]\nkind = 'webhook'\nurl = 'http://a/'\nheaders = { Id = 3 }",
            "headers.Id is 3: give a text of one line",
        ),
        (f"{MQTT}host = 'tcp://a'", "host is 'tcp://a': give a name or an address alone"),
        (f"{MQTT}host = ''", "host is '': give a name"),
        (f"{MQTT}host = 'a'\nport = 99999", "port is 99999: give a number from 1 to 65535"),
        (f"{MQTT}host = 'a'\nport = true", "port is True: give a number from 1 to 65535"),
        (f"{MQTT}host = 'a'\ntopic = ''", "topic is '': give the name of one topic"),
        (f"{MQTT}host = 'a'\ntopic = 'ward/#'", "give the name of one topic, without"),
        (f"{MQTT}host = 'a'\npassword_file = 'b'", "password_file: it needs username"),
        ("[thresholds\n", "is no TOML: "),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as caught:
        settings(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "alarms.toml"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        read_settings(tmp_path / "none.toml")
    (tmp_path / "a.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_settings(tmp_path / "a.toml")
