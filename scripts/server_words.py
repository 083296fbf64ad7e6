"""What the control plane and the workers say to people, and whether the page has words for it in the languages beside English.

The API speaks English. `web-admin-static/i18n/server.LANGUAGE.json` has a pattern for each text, its first letter small and without the
full stop at its end: `{}` stands for what is filled in. In the translation `{2}` is the second of these as it came, `{2~}` is translated
where it is a text of the server, too. `web-admin-static/parts/server.js` matches; `Patterns` here does it in the same way.
"""

import re

# Where such texts are made. What only programs or the log of the start see is not among them.
SOURCES = [
    "ConsoleModel/**/*",
    "ControlPlane/Admin/**/*",
    "ControlPlane/Alerts/*",
    "ControlPlane/Backup/*",
    "ControlPlane/Document/*",
    "ControlPlane/Events/*",
    "ControlPlane/Import/*",
    "ControlPlane/Inspect/*",
    "ControlPlane/Publish/*",
    "ControlPlane/RouteTest/*",
    "ControlPlane/Stats/*",
    "ControlPlane/TryOut/*",
    "ControlPlane/Workers/*",
    "ConfigChannel/Assembly",
    "ConfigChannel/PublisherState",
    "ConfigModel/Validation/*",
    "DataPlane/Config/ConfigClient",
    "DataPlane/Config/DiskTrouble",
    "DataPlane/Config/StoreFile",
    "DataPlane/Exchange/ProxyError",
    "DataPlane/Inspect/EndpointPage",
    "DataPlane/Upstream/*",
    "Persistence/*",
    "ProtobufMessages/*",
    "RouteMatching/*",
    "Seal/PassphraseSeal",
    "Seal/SealingKey",
    "TLSMaterial/*",
]

# Of these, files whose texts the page never shows: start and command line, the log, other protocols, SQL.
APART = {
    "ControlPlane/Admin/PublicController",
    "ControlPlane/Admin/StaticFiles",
    "ControlPlane/Backup/RestoreCommand",
    "ControlPlane/Events/ServerSentEvent",
    "ControlPlane/Publish/FirstListeners",
    "ControlPlane/Publish/GatewaySettings",
    "ControlPlane/Publish/Publisher",
    "ControlPlane/Workers/ChannelServer",
    "Persistence/ControlLock",
    "Persistence/Migrations",
    "Persistence/Store",
    "Persistence/Store+Audit",
}

# Calls whose texts go elsewhere: the log, the terminal, nobody (a broken invariant), SQL, the wire; settings have words of the page.
ELSEWHERE = re.compile(
    r"(?:^|\.)(?:logger\.\w+|Logger|warning|StartError|precondition|preconditionFailure|Setting|Author|execute|fetch\w*|Row\.\w+|tell|write\w*"
    r"|hasPrefix|hasSuffix|note|secret|EndpointAddress|predecessor\.refuse|StoreFailure|Array)$"
)

# What is no sentence though it has a blank: names and numbers in a form of their own.
PLAIN = {
    "(?:.*;)?[ ]*{}=always(?:;.*)?$",
    "ECDSA P-256",
    "ECDSA P-384",
    "ECDSA P-{}",
    "RSA {}",
    "SHA-256 {}",
    "ENCRYPTED PRIVATE KEY",
    "OPENSSH PRIVATE KEY",
    "X509 CERTIFICATE",
    "PRIVATE KEY",
    "a second hello",
    "causeway backup",
    "code {}",
    "enum {}",
    "error {}",
    "group {}",
    "repeated {}",
    "kind {}",
    "key {}",
    "process {}",
    "token {}",
    "service {}:{}",
    "the backup",
    "with the sealing key",
    "without the sealing key",
    "{} s after 1970",
    "{} {}:{}:{} UTC",
    "{}/{}/{} {}:{}:{}Z",
    "settings {}",
    "{}: settings {}",
    "CONNECT {} HTTP/1.1\r\nHost: {}\r\n\r\n",
    # Parts of what has a pattern as a whole.
    "Replace it: PUT /v1/tls-certificates/{}.",
    "Replace the files of --admin-certificate.",
    "The worker {} {}, version {} is saved.{}",
    "serves nothing yet",
    "serves version {}",
    "; and {} more",
    "former form",
    "the admin API",
    "an alert begins",
    "an alert grows",
    "as a whole",
    "at all",
    "cert: {}.",
    "error {}.",
    "from a backup",
    "it has none.",
    "it has {}{}.",
    "its chain",
    "its key",
    "tlsCertificates[{}].cert: {}.",
    "virtual host ",
    "TLS identity ",
    "what is served is not on disk",
    "the snapshot on disk is not the one that is served",
    "{} any more: {} is the oldest that is kept",
    "{} has no field of this name; ",
    "The host {} is not a name of this control plane.",
    "Start it with --host NAME to allow a name other than localhost.",
    "SHA-256 {}",
}

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0"}
_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|(?P<hashes>#*)"|(?P<call>[\w.]*)\(|\)', re.DOTALL)
_JOINED = re.compile(r"\s*\+\s*\Z")
_WORDS = re.compile(r"[A-Za-z0-9}'`),.:;] ['`({]*[A-Za-z{]")
# Texts with blanks that are none: SQL, header fields, and what has no word of its own.
_CODED = re.compile(r"[A-Z]{4,} .*[?=]|\b(?:SELECT|PRAGMA|CREATE TABLE)\b|typeof|charset=|filename=|\A(?:[^A-Za-z]|\{\})*\Z")


class _Reader:
    """String literals of Swift with the calls around them."""

    def __init__(self, text):
        self.text = text
        self.found = []  # [begin, end, template, calls]
        self.calls = []

    def code(self, at, inside):
        """From `at` to the end, or behind the bracket that ends an interpolation."""
        depth = len(self.calls)
        while found := _CODE.search(self.text, at):
            at = found.end()
            if found["hashes"] is not None:
                at = self.literal(found.start(), at - 1, len(found["hashes"]))
            elif found["call"] is not None:
                self.calls.append(found["call"])
            elif found[0] == ")":
                if inside and len(self.calls) == depth:
                    return at
                if self.calls:
                    self.calls.pop()
        return len(self.text)

    def literal(self, begin, at, hashes):
        quotes = '"""' if self.text.startswith('"""', at) else '"'
        at += len(quotes)
        end, escape = quotes + "#" * hashes, "\\" + "#" * hashes
        special = re.compile(f"{re.escape(end)}|{re.escape(escape)}")
        place = len(self.found)
        template = []
        while True:
            found = special.search(self.text, at)
            template.append(self.text[at : found.start()])
            at = found.end()
            if found[0] == end:
                self.found.insert(place, [begin, at, "".join(template), tuple(self.calls)])
                return at
            if self.text[at] == "(":
                template.append("{}")
                at = self.code(at + 1, True)
            elif code := re.match(r"u\{(\w+)\}", self.text[at:]):
                template.append(chr(int(code[1], 16)))
                at += code.end()
            else:
                template.append(_ESCAPES.get(self.text[at], self.text[at]))
                at += 1


def literals(text):
    """[(position, template, calls)] of Swift source: what `+` joins is one; `calls` are the names of those around it, the outermost first."""
    reader = _Reader(text)
    reader.code(0, False)
    joined = []
    for begin, end, template, calls in reader.found:
        before = joined[-1] if joined else None
        if before and begin >= before[1] and _JOINED.match(text[before[1] : begin]):
            joined[-1] = [before[0], end, before[2] + template, before[3]]
        else:
            joined.append([begin, end, template, calls])
    return [(begin, template, calls) for begin, _, template, calls in joined]


def messages(root):
    """[(place, template)]: what is said to people. Parts that are put behind others begin with a blank or a comma, and are no texts alone."""
    for pattern in SOURCES:
        for path in sorted((root / "Sources").glob(f"{pattern}.swift")):
            if str(path.relative_to(root / "Sources").with_suffix("")) in APART:
                continue
            text = path.read_text()
            for position, template, calls in literals(text):
                if template[:1] in (" ", ",", ":") or template in PLAIN or not _WORDS.search(template):
                    continue
                if any(ELSEWHERE.search(each) for each in calls) or _CODED.search(template):
                    continue
                yield f"{path.relative_to(root)}:{text.count(chr(10), 0, position) + 1}", template


def plain(text):
    """As patterns have it: the first letter small, without the full stop."""
    text = text.strip()
    if text.endswith("."):
        text = text[:-1]
    return text if re.match(r"[A-Z]{2}", text) else text[:1].lower() + text[1:]


def _fits(parts, text):
    if not text.startswith(parts[0]) or not text.endswith(parts[-1]):
        return False
    at, end = len(parts[0]), len(text) - len(parts[-1])
    for part in parts[1:-1]:
        found = text.find(part, at + 1)
        if found < 0 or found + len(part) > end:
            return False
        at = found + len(part)
    return at < end


class Patterns:
    def __init__(self, table):
        self.exact = {each for each in table if "{}" not in each}
        self.others = [each.split("{}") for each in table if "{}" in each]

    def know(self, template):
        return self._know(template.replace("{}", "¤"))

    def _know(self, text):
        bare = plain(text)
        if bare in self.exact or any(_fits(parts, bare) for parts in self.others):
            return True
        # The field that it is about stands before it.
        place = re.fullmatch(r"[^\s:]+(?::[^\s:]+)*: (.+)", text, re.DOTALL)
        return place is not None and self._know(place[1])
