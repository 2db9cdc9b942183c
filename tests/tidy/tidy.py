#!/usr/bin/env python3
"""Checks what a program can check of the house's style: floors, sizes, names, and tests that wait.

tidy.py [ROOT] prints a line for each fault, "path:line: what", and ends with 1 where there are any.
It reads C++ as text: comments and strings are blanked, blocks are counted by their braces.
"""

import re
import sys
from pathlib import Path
from statistics import median

FLOORS = {"model": 1, "config": 2, "rules": 2, "broker": 2, "capture": 3, "auth": 3, "cluster": 3,
          "gateway": 3, "bridge": 4, "cli": 5}
PUBLIC_FLOORS = {"result.hpp": 0, "event.hpp": 0, "config.hpp": 0, "realtime.hpp": 4,
                 "bridge.hpp": 4}
# Folders of one floor do not include each other, but for these: (who, whom).
SAME_FLOOR = {("broker", "rules"), ("config", "rules"), ("bridge", "pgtide"), ("pgtide", "bridge"),
              ("main", "cli")}
# A library that one folder alone may include.
OWNERS = [("pqxx/", "capture"), ("boost/beast", "gateway"),
          ("yaml-cpp/", "config"), ("openssl/", "auth")]
# Of floors 1 and 2: no thread, no socket, no file, no clock, no log.
IMPURE_HEADERS = {"thread", "mutex", "shared_mutex", "condition_variable", "future", "atomic",
                  "fstream", "iostream", "filesystem", "unistd.h", "ctime", "csignal"}
# But for an account that all threads add to: it waits for nobody.
PURE_ALL_THE_SAME = {("broker/memory_account.hpp", "atomic"),
                     ("broker/size_ledger.hpp", "atomic")}
IMPURE_PREFIXES = ("sys/", "netinet/", "arpa/", "boost/asio", "spdlog/")
IMPURE_CALLS = re.compile(r"_clock::now\s*\(|\bgetenv\s*\(|\bstd::time\s*\(")
# They cost every file that includes the header seconds.
HEAVY_IN_HEADERS = {"boost/beast.hpp", "boost/asio.hpp", "nlohmann/json.hpp"}

LINE_MAX, FUNCTION_MAX, MEDIAN_MAX, PARAMETERS_MAX = 100, 70, 15, 4
HEADER_MAX, SOURCE_MAX = 200, 400
CODE = (".cpp", ".hpp")
TEXT = CODE + (".sql", ".py", ".sh", ".cmake")
FOLDERS = ("include", "src", "tests", "bench", "examples", "sql", "cmake")

BANNED = {"manager", "managers", "helper", "helpers", "util", "utils", "common", "misc", "handler",
          "handlers", "process", "processes", "data"}

SLEEP = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|sleep)\s*\(")
SHELL_SLEEP = re.compile(r"\btime\.sleep\s*\(|^\s*sleep\s+[0-9.$]", re.M)
FIXED_PORT = re.compile(r"(?<!Origin: http://)(?:127\.0\.0\.1|localhost|\[::1\]):([1-9]\d{1,4})\b"
                        r"|\bport\w*\s*[={(]\s*([1-9]\d{2,4})\b|--port[= ]([1-9]\d{1,4})\b")
# A hash table's key and hash are its first arguments. Texts, which others choose, are hashed with
# TextHash (model/text_map.hpp); pointers and numbers of our own need no key.
HASH_TABLE = re.compile(r"\bunordered_(?:flat_|node_)?(?:multi)?(?:map|set)\s*<")
OPEN_HASH = re.compile(r"\bstd::hash\s*<|\bboost::hash\b|\bhash_combine\b")
UNKEYED = re.compile(r"[^<>,]*\*\s*$|(?:std::)?u?int\d*(?:_t)?$")
PROMISE = re.compile(r"\b(TODO|FIXME|XXX)\b")

LITERAL = re.compile(r'R"(?P<mark>[^()\\\s]{0,16})\((?:.|\n)*?\)(?P=mark)"'
                     r'|"(?:\\.|[^"\\\n])*"'
                     r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'"
                     r"|//[^\n]*|/\*(?:.|\n)*?\*/")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)


# Pages whose tables name, in the last column of each row, the tests that stand for the row.
TEST_PAGES = ("tests/hostile_world.md", "tests/triggers_life.md", "SECURITY.md")
TEST_TABLE_HEAD = " | the tests |"

TEXT_LINE = "\f"  # ends a line that a literal of several lines takes: no code, so not counted


def blank(text):
    """The code without its comments and with empty literals; every line keeps its number."""
    def empty(match):
        found = match.group(0)
        if found.startswith("/"):
            return "\n" * found.count("\n")
        lines = (TEXT_LINE + "\n") * found.count("\n")
        return ("''" if found[0] == "'" else '""') + lines
    return LITERAL.sub(empty, text)


def uncommented(text):
    """The code without its comments; its literals stay."""
    def kept(match):
        found = match.group(0)
        return "\n" * found.count("\n") if found.startswith("/") else found
    return LITERAL.sub(kept, text)


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def words(identifier):
    """request_handler and RequestHandler alike: request, handler."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", identifier)
    return [word for word in re.split(r"[_\W]+", apart.lower()) if word]


def is_test(path):
    return path.parts[0] == "tests"


def test_names(text):
    """Of TEST_CASE("a name " "in parts"), the parts joined."""
    for match in re.finditer(r'TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', text):
        parts = re.findall(r'"((?:[^"\\]|\\.)*)"', match.group(1))
        yield "".join(parts).replace('\\"', '"')


def template_arguments(text):
    """Of what follows a '<': the arguments up to its '>'."""
    arguments, depth = [""], 0
    for mark in text:
        if mark == ">" and depth == 0:
            break
        depth += (mark in "<([") - (mark in ">)]")
        if mark == "," and depth == 0:
            arguments.append("")
        else:
            arguments[-1] += mark
    return [argument.strip() for argument in arguments]


class Blocks:
    """Functions with their lengths and parameters, found by following the braces."""

    OPENER = re.compile(r"[{};]")
    SCOPE = re.compile(r"(^|[\s>])(namespace|class|struct|union|enum|extern)\b")

    def __init__(self, code):
        self.code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", "", self.code_lines(code), flags=re.M)
        self.functions = []  # (first line, lines, parameters)
        self.scan()

    @staticmethod
    def code_lines(code):
        # A continued directive becomes one line and the same number of empty ones after it.
        def joined(match):
            return "\n" * match.group(0).count("\n")
        return re.sub(r"^[ \t]*#[^\n]*\\\n(?:[^\n]*\\\n)*[^\n]*", joined, code, flags=re.M)

    def scan(self):
        stack, start = [], 0
        for match in self.OPENER.finditer(self.code):
            at, mark = match.start(), match.group(0)
            inside = any(kind != "scope" for kind, _ in stack)
            if mark == "{":
                head = self.code[start:at]
                first = start + len(head) - len(head.lstrip())
                stack.append((self.kind(head, inside), first))
            elif mark == "}" and stack:
                kind, first = stack.pop()
                if kind == "function":
                    self.add(first, at)
            start = at + 1

    def kind(self, head, inside):
        if inside:
            return "block"
        before = head.split("(")[0]
        if self.SCOPE.search(before) and "=" not in head:
            return "scope"
        return "block" if head.rstrip().endswith("=") or "(" not in head else "function"

    def add(self, first, last):
        line = line_of(self.code, first)
        head = self.code[first:self.code.index("{", first)]
        length = line_of(self.code, last) - line + 1
        length -= self.code.count(TEXT_LINE, first, last)
        self.functions.append((line, length, self.parameters(head)))

    @staticmethod
    def parameters(head):
        opened = re.search(r"(?:[\w>]|operator\W{1,3}(?:\(\))?)\s*\(", head)
        if not opened:
            return 0
        depth, commas, text = 0, 0, head[opened.end():]
        for at, mark in enumerate(text):
            if mark in "([{<":
                depth += 1
            elif mark == ")" and depth == 0:
                return commas + 1 if text[:at].strip() else 0
            elif mark in ")]}" or (mark == ">" and text[at - 1] != "-"):
                depth -= 1
            elif mark == "," and depth == 0:
                commas += 1
        return 0


class Tidy:
    def __init__(self, root):
        self.root = root
        self.faults = []
        self.lengths = []
        self.tests = set()  # their names

    def fault(self, path, line, what):
        self.faults.append((str(path), line, what))

    def run(self):
        for folder in FOLDERS:
            for file in sorted((self.root / folder).rglob("*")):
                path = file.relative_to(self.root)
                if not file.is_file() or "__pycache__" in path.parts:
                    continue
                self.check_file_name(path)
                if file.suffix in TEXT or file.name == "CMakeLists.txt":
                    self.check_text(path, file.read_text(encoding="utf-8"))
        self.check_listed_tests()
        if self.lengths and median(self.lengths) >= MEDIAN_MAX:
            self.fault("src", 1, f"the median function has {median(self.lengths):.0f} lines; "
                                 f"it must have less than {MEDIAN_MAX}")
        return sorted(self.faults)

    def check_file_name(self, path):
        for word in BANNED.intersection(words(path.stem)):
            self.fault(path, 1, f"'{word}' in a file's name says nothing")

    def check_text(self, path, text):
        for number, line in enumerate(text.split("\n"), 1):
            if len(line) > LINE_MAX:
                self.fault(path, number, f"{len(line)} columns; at most {LINE_MAX}")
        if path.parts[:2] == ("tests", "tidy"):
            return  # it names what it looks for
        self.check_promises(path, text)
        if is_test(path):
            self.check_waiting(path, text)
            self.tests.update(test_names(text))
        if path.suffix == ".sql":
            self.check_backslashes(path, text)
        if path.suffix in CODE:
            code = blank(text)
            self.check_includes(path, text)
            self.check_purity(path, code)
            self.check_hashes(path, code)
            self.check_sizes(path, text, code)
            self.check_identifiers(path, code)

    def check_listed_tests(self):
        """Each row of a table of tests names tests, in backquotes, and all of them exist."""
        for page in TEST_PAGES:
            file = self.root / page
            if file.is_file():
                self.check_test_tables(page, file.read_text(encoding="utf-8").split("\n"))

    def check_test_tables(self, page, lines):
        inside = False
        for number, line in enumerate(lines, 1):
            if not line.startswith("|"):
                inside = False
            elif line.endswith(TEST_TABLE_HEAD):
                inside = True
            elif inside and not line.startswith("|---"):
                last = line.rstrip(" |").rsplit(" | ", 1)[-1]
                for name in re.findall(r"`([^`]+)`", last) or [""]:
                    if name not in self.tests:
                        self.fault(page, number, f"there is no test '{name}'")

    def check_promises(self, path, text):
        for match in PROMISE.finditer(text):
            self.fault(path, line_of(text, match.start()), f"{match.group(1)}: open an issue")

    def check_backslashes(self, path, text):
        """What one means in a literal hangs on the caller's standard_conforming_strings."""
        for number, line in enumerate(text.split("\n"), 1):
            if "\\" in line.split("--")[0]:
                self.fault(path, number, "a backslash in SQL; write chr(92)")

    def check_waiting(self, path, text):
        if path.name != "eventually.hpp":
            code = blank(text) if path.suffix in CODE else text
            pattern = SLEEP if path.suffix in CODE else SHELL_SLEEP
            for match in pattern.finditer(code):
                self.fault(path, line_of(code, match.start()),
                           "sleeps; wait for a condition (eventually)")
        if path.parts[1] == "unit":
            return  # they parse addresses and open none
        said = uncommented(text) if path.suffix in CODE else text
        for match in FIXED_PORT.finditer(said):
            self.fault(path, line_of(said, match.start()), "a fixed port; use 0")

    # Floors.

    @staticmethod
    def place(path):
        """(folder, floor) of a path below include/ or src/, or None where it has no floor."""
        parts = Path(path).parts
        if parts[0] == "pgtide" and len(parts) == 2 and parts[1] in PUBLIC_FLOORS:
            return "pgtide", PUBLIC_FLOORS[parts[1]]
        if parts[0] in FLOORS and len(parts) > 1:
            return parts[0], FLOORS[parts[0]]
        return ("main", 5) if parts == ("main.cpp",) else None

    def check_includes(self, path, text):
        inside = path.parts[0] in ("include", "src")
        own = self.place(Path(*path.parts[1:])) if inside else None
        if inside and own is None:
            self.fault(path, 1, "stands on no floor")
            return
        for match in INCLUDE.finditer(text):
            line = line_of(text, match.start())
            mark, name = match.groups()
            if mark == "<":
                self.check_library(path, line, own, name)
            else:
                self.check_own_include(path, line, own, name)

    def check_library(self, path, line, own, name):
        if own is None:
            return
        for prefix, owner in OWNERS:
            if name.startswith(prefix) and own[0] != owner:
                self.fault(path, line, f"<{name}> is included by {owner} only")
        impure = name in IMPURE_HEADERS or name.startswith(IMPURE_PREFIXES)
        if (path.relative_to("src").as_posix() if path.parts[0] == "src" else "",
                name) in PURE_ALL_THE_SAME:
            impure = False
        if impure and own[1] in (1, 2):
            self.fault(path, line, f"<{name}> on a floor without thread, socket, file, clock, log")
        if path.suffix == ".hpp" and name in HEAVY_IN_HEADERS:
            self.fault(path, line, f"<{name}> in a header; include what declares it forward")

    def check_own_include(self, path, line, own, name):
        there = self.place(name)
        if own is None:
            if path.parts[:2] == ("tests", "unit") and there and there[1] > 2:
                self.fault(path, line, f'"{name}" in a unit test, which ends on floor 2')
            return
        if there is None:
            self.fault(path, line, f'"{name}" is not written from src/ or include/')
        elif path.parts[0] == "include" and there[0] != "pgtide":
            self.fault(path, line, f'"{name}" in a public header, which users do not have')
        elif there[0] != own[0] and there[1] >= own[1] and (own[0], there[0]) not in SAME_FLOOR:
            self.fault(path, line, f'"{name}" is on floor {there[1]}; {own[0]} is on {own[1]}')

    def check_purity(self, path, code):
        own = self.place(Path(*path.parts[1:])) if path.parts[0] == "src" else None
        if own and own[1] in (1, 2):
            for match in IMPURE_CALLS.finditer(code):
                self.fault(path, line_of(code, match.start()),
                           "asks the world; take it as an argument")

    def check_hashes(self, path, code):
        """Nobody can choose keys of one hash."""
        if path.parts[0] != "src":
            return
        code = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", "", code, flags=re.M)
        for match in OPEN_HASH.finditer(code):
            self.fault(path, line_of(code, match.start()), "a hash without a key; use TextHash")
        for match in HASH_TABLE.finditer(code):
            arguments = template_arguments(code[match.end():])
            keyed = any(re.search(r"Hash$", each) for each in arguments[1:])
            if not keyed and not UNKEYED.match(arguments[0]):
                self.fault(path, line_of(code, match.start()),
                           "a hash table of texts whose hash has no key; use TextMap or TextHash")

    # Sizes.

    def check_sizes(self, path, text, code):
        if is_test(path):
            return
        lines = text.count("\n")
        most = HEADER_MAX if path.suffix == ".hpp" else SOURCE_MAX
        if lines > most:
            self.fault(path, lines, f"{lines} lines; at most {most}")
        for line, length, parameters in Blocks(code).functions:
            if length > FUNCTION_MAX:
                self.fault(path, line, f"a function of {length} lines; at most {FUNCTION_MAX}")
            if parameters > PARAMETERS_MAX:
                self.fault(path, line, f"{parameters} parameters; from {PARAMETERS_MAX + 1} on, "
                                       "make a struct")
            if path.parts[0] == "src":
                self.lengths.append(length)

    # Names. What is reached through '.', '->' or '::' was declared elsewhere: in a library, or here
    # and found there. `data()` is the standard containers' word.

    def check_identifiers(self, path, code):
        seen = set()
        code = re.sub(r"^[ \t]*#[ \t]*include[^\n]*", "", code, flags=re.M)
        for match in re.finditer(r"(?<![\w.>:'])[A-Za-z_]\w*(?!\w)", code):
            name = match.group(0)
            found = BANNED.intersection(words(name))
            call = code[match.end():match.end() + 1] == "("
            library = name.startswith("PQ") or (name == "data" and call)
            if not found or name in seen or library:
                continue
            seen.add(name)
            self.fault(path, line_of(code, match.start()),
                       f"'{found.pop()}' in the name {name} says nothing")


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    faults = Tidy(root).run()
    for path, line, what in faults:
        print(f"{path}:{line}: {what}")
    print(f"tidy: {len(faults)} faults" if faults else "tidy: the house is in order")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
