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
        ("[alarms.asystole]\nafter = '5'", "alarms.asystole.after is '5': give seconds, 0 or more"),
        ("[alarms.asystole]\nafter = -1", "give seconds, 0 or more"),
        ("[alarms.asystole]\nafter = nan", "give seconds, 0 or more"),
        ("[alarms.asystole]\nmin_confidence = 1.5", "is 1.5: give a number from 0 to 1"),
        ("[alarms.asystole]\nlatching = 1", "latching is 1: give true or false"),
        ("[alarms.asystole]\npriority = 'urgent'", "give one of low, medium, high"),
        ("alarms = 3", r"alarms is no table: write \[alarms\]"),
        ("[alarms]\nasystole = true", r"is no table: write \[alarms.asystole\]"),
        ("[thresholds]\nasystol = 3", "'asystol' is no threshold; did you mean asystole?"),
        ("[thresholds]\nasystole = 0", "thresholds.asystole is 0: give a number above 0"),
        ("[thresholds]\nasystole = true", "give a number above 0"),
        (
            "[thresholds]\nasystole = 1.5",
            "thresholds: pause=2 must not be longer than asystole=1.5",
        ),
        (
            "[thresholds]\ntachycardia = 30",
            "thresholds: rates must ascend: .*bradycardia=50, tachycardia=30, extreme_",
        ),
        ("[thresholds]\nirregular_probability = 2", "irregular_probability must be at most 1"),
        ("[[actions]]\nkind = 'email'", "is 'email': give one of bell, command, webhook, mqtt"),
        ("[actions]\nkind = 'bell'", r"actions is no list: begin each action with \[\[actions\]\]"),
        ("[[actions]]\nkind = 'mqtt'", r"actions\[0\] \(mqtt\) needs host"),
        ("[[actions]]\nkind = 'mqtt'\nhost = 3", r"actions\[0\].host is 3: give a text, in"),
        (f"{MQTT}host = 'a'\nport = '1883'", "port is '1883': give an integer, without quotation"),
        (f"{MQTT}host = 'a'\ntls = 'yes'", "tls is 'yes': give true or false"),
        (f"{MQTT}host = 'a:1883'", "host is 'a:1883': give the name alone, and the port as port"),
        ("[[actions]]\nkind = 'command'\ncommand = 'rm'", r"is 'rm': give a list of texts"),
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


def test_a_file_of_a_windows_editor_is_read(tmp_path: Path) -> None:
    """Its byte order mark had been no TOML."""
    path = tmp_path / "alarms.toml"
    path.write_bytes(b"\xef\xbb\xbf" + WHOLE.replace("\n", "\r\n").encode())
    assert read_settings(path) == settings(tmp_path, WHOLE)


def test_an_address_of_ipv6_is_a_host(tmp_path: Path) -> None:
    (action,) = settings(tmp_path, f"{MQTT}host = '::1'").actions
    assert action.options["host"] == "::1"
