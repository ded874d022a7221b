"""Bad values for each field of a check, as the JSON texts that a program might send (hazards A64, A65)."""

import json


def _texts(*lines: str) -> tuple[str, ...]:
    """Texts divided by ``" | "``; a text may hold anything else, spaces too."""
    return tuple(text for line in lines for text in line.split(" | "))


_HUGE = ("9" * 5000, str(2**63), str(2**64))
NOT_NUMBERS = _texts(r'"60" | " 60" | "６０" | true | false | [60] | {"a": 60} | NaN | 1e999 | -Infinity | "" | "0x3c"')
NOT_WHOLE = (*NOT_NUMBERS, *_HUGE, *_texts("null | 60.0 | 60.5 | 6e1 | 0 | -0 | -1 | -60 | 2147483648"))
NOT_WHOLE_OPTION = tuple(text for text in NOT_WHOLE if text != "null")  # null takes an option back to its default
NOT_FLAGS = _texts('"true" | 1 | 0 | null | [] | {} | "yes" | "" | 1.0')
NOT_TEXT = _texts(r'1 | true | [] | {} | "" | "\u0000" | "\ud800" | "a\u0000b" | NaN')
NOT_NAMES = (
    *NOT_TEXT,
    *_texts(r'null | " x" | "x " | "a\nb" | "a\u202eb" | "\u200b" | "\u0085"'),
    f'"{"x" * 64}"',
    f'"{"é" * 64}"',
)
NOT_PORTS = (
    *_texts(r'"0" | "65536" | "-1" | "022" | " 22" | "22 " | "２２" | "22.0" | "0x16" | "http" | "22;id" | "22\n"'),
    *_texts('0 | 65536 | 22.0 | true | null | [22] | {} | "" | "99999999999"'),
    *_HUGE,
)
NOT_PATHS = (
    *_texts(r'"health" | "" | "//evil.example/" | "http://169.254.169.254/" | "/a b" | "/a\r\nHost: x" | "/a\tb"'),
    *_texts(r'"/a\\b" | "/#x" | "/é" | "/%zz" | "/%" | "@evil/" | ".evil" | ":8006/" | "/\u0000" | "/\ud800"'),
    *_texts("1 | true | [] | {}"),
    f'"/{"x" * 2000}"',
)
NOT_GRACES = _texts('"-1" | "86401" | "1.5" | "01" | " 5" | "x" | "" | "５" | -1 | 86401 | 1.5 | true | [] | "5s"')
NOT_REGEXES = (*NOT_TEXT, *_texts(r'"(" | "[a" | "(?=a)" | "(a)\\1" | "a{2000}" | "*" | "(?P<n"'), f'"{"x" * 501}"')
NOT_HOSTS = (
    *NOT_TEXT,
    *_texts(r'"http://x" | "a:80" | "a/b" | "a b" | "-a" | "a..b" | "a\r\nb" | "é" | "user@x"'),
    f'"{"a" * 64}"',
)
NOT_HEADERS = (
    *_texts(r'1 | [] | "X: y" | {"X": 1} | {"X": null} | {"X": ["a"]} | {"X": "a\r\nY: b"} | {"X": "a\nb"}'),
    *_texts(r'{"X": "a\u0000"} | {"X\r\nY": "b"} | {"X Y": "b"} | {"": "b"} | {"X:": "b"} | {"é": "b"} | {"X": "é"}'),
    *_texts('{"X": ""} | {"X": " a"} | {"Host": "x"} | {"Content-Length": "0"} | {"transfer-encoding": "chunked"}'),
    *_texts('{"CONNECTION": "close"} | {"Cookie": "a=b"} | {"Authorization": "Basic x"} | {"Accept-Encoding": "gzip"}'),
    '{"X": "a", "x": "b"}',
    f'{{"X": "{"a" * 501}"}}',
    json.dumps({f"X-{number}": "a" for number in range(21)}),
)
NOT_CODES = (
    *_texts(r'"" | "99" | "600" | "299-200" | "2xx" | "200-" | "-200" | "200;300" | [] | [true] | 20 | true | {}'),
    *_texts(r'"２００" | [200.5] | "200\u0000"'),
    f'"{",".join(["200"] * 21)}"',
)
NOT_JSON = (
    *_texts(r'{"a": NaN} | {"a": 1e999} | ["\u0000"]'),
    f'"{"x" * 2001}"',
    "[" * 13 + "]" * 13,
    f'{{"a": {2**63}}}',
)

OF_ALL = {
    "intervalSeconds": (*NOT_WHOLE, "4", "86401"),
    "timeoutSeconds": (*NOT_NUMBERS, *_HUGE, *_texts("null | 0 | -0 | -1 | 0.49 | 60.01 | 1e-9")),
    "failureThreshold": (*NOT_WHOLE, "21"),
    "successThreshold": (*NOT_WHOLE, "21"),
    "severity": (*NOT_TEXT, *_texts('null | "CRITICAL" | "fatal" | " critical"')),
    "heal": NOT_FLAGS,
    "healOn": (*NOT_TEXT, *_texts('null | "tls" | "Down"')),
    "latencyLimitMs": (*NOT_NUMBERS, *_HUGE, *_texts("0 | -1 | 60000.5")),
    "keepExcerpt": NOT_FLAGS,
    "enabled": NOT_FLAGS,
    "name": NOT_NAMES,
    "checkType": (*NOT_TEXT, *_texts('null | "PING" | "smtp" | "running" | " ping"')),
    "config": _texts('1 | "x" | [] | true | null | {"nonsense": 1}'),
    # No fields of a check, though its row, or another's, has such columns (hazards A67).
    "nonsense": _texts("1 | null"),
    "tenantId": ("1",),
    "podId": ("1",),
    "id": ("1",),
    "generation": ("7",),
    "vantage": ('"provider"',),
}
OF_KIND = {
    "ping": {
        "target": _texts('"22" | "/" | 1 | true | [] | "" | {}'),
        "config.packets": (*NOT_WHOLE_OPTION, "6"),
        "config.banner": ('"x"',),
        "config.scheme": ('"https"',),
    },
    "tcp": {
        "target": NOT_PORTS,
        "config.banner": (*NOT_TEXT, r'"a\nb"', f'"{"x" * 201}"'),
        "config.port": ("22",),
    },
    "http": {
        "target": NOT_PATHS,
        "config.scheme": (*NOT_TEXT, *_texts('"ftp" | "HTTP" | "file"')),
        "config.port": (*NOT_WHOLE_OPTION, "65536"),
        "config.method": (*NOT_TEXT, *_texts(r'"get" | "PUT" | "DELETE" | "CONNECT" | "GET\r\n"')),
        "config.host": NOT_HOSTS,
        "config.headers": NOT_HEADERS,
        "config.expectedCodes": NOT_CODES,
        "config.bodyContains": (*NOT_TEXT, f'"{"x" * 501}"'),
        "config.bodyRegex": NOT_REGEXES,
        "config.bodyJson": NOT_JSON,
        "config.verifyTls": tuple(text for text in NOT_FLAGS if text != "null"),
        "config.minCertificateDays": (*NOT_WHOLE_OPTION, "826", "14"),
    },
    "agent": {
        "target": NOT_GRACES,
        "config.graceSeconds": (*(text for text in NOT_WHOLE_OPTION if text not in ("0", "-0")), "86401"),
    },
}
GOOD = {"ping": {}, "tcp": {"target": '"22"'}, "http": {"target": '"/health"'}, "agent": {}}
