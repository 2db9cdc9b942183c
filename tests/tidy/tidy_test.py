#!/usr/bin/env python3
"""The tidy test can fail: each of these small samples has one fault, and it is found."""

import tempfile
import unittest
from pathlib import Path

from tidy import Tidy

PRAGMA = "#pragma once\n"


def function(lines, head="void f()"):
    return head + " {\n" + "  g();\n" * (lines - 2) + "}\n"


# (why, path, text, the fault's line, a part of what it says)
BAD = [
    ("a lower floor includes a higher one", "src/model/a.hpp",
     PRAGMA + '#include "broker/b.hpp"\n', 2, "is on floor 2"),
    ("adapters include each other", "src/capture/a.cpp",
     '#include "gateway/b.hpp"\n', 1, "is on floor 3"),
    ("one floor's folders include each other", "src/rules/a.cpp",
     '#include "config/b.hpp"\n', 1, "is on floor 2"),
    ("a space before the name", "src/model/a.cpp", '  # include  "cli/b.hpp"\n', 1, "floor 5"),
    ("an adapter includes the embedding interface", "src/gateway/a.cpp",
     '#include "pgtide/bridge.hpp"\n', 1, "is on floor 4"),
    ("an include relative to the file", "src/model/a.cpp", '#include "b.hpp"\n', 1,
     "not written from src/"),
    ("a folder that nobody knows", "src/tools/a.cpp", "", 1, "no floor"),
    ("a public header includes a private one", "include/pgtide/bridge.hpp",
     '#include "model/a.hpp"\n', 1, "public header"),
    ("a unit test goes above floor 2", "tests/unit/a_test.cpp",
     '#include "capture/a.hpp"\n', 1, "ends on floor 2"),
    ("libpqxx outside of capture", "src/bridge/a.cpp", "#include <pqxx/pqxx>\n", 1, "capture only"),
    ("Beast outside of gateway", "src/bridge/a.cpp", "#include <boost/beast/core.hpp>\n", 1,
     "gateway only"),
    ("yaml-cpp outside of config", "src/rules/a.cpp", "#include <yaml-cpp/yaml.h>\n", 1,
     "config only"),
    ("a thread on floor 2", "src/broker/a.cpp", "#include <thread>\n", 1, "without thread"),
    ("a clock on floor 1", "src/model/a.cpp",
     "auto f() { return std::chrono::steady_clock::now(); }\n", 1, "asks the world"),
    ("a table of texts whose hash has no key", "src/broker/a.hpp",
     PRAGMA + "std::unordered_map<std::string, std::weak_ptr<A>> a;\n", 2, "has no key"),
    ("another table of texts", "src/gateway/a.cpp",
     "boost::unordered_flat_set<std::string_view> a;\n", 1, "has no key"),
    ("a hash without a key", "src/model/a.cpp",
     "auto f(A a) { return std::hash<std::string>{}(a); }\n", 1, "without a key"),
    ("all of Beast in a header", "src/gateway/a.hpp", "#include <boost/beast.hpp>\n", 1,
     "in a header"),
    ("a long line", "src/model/a.cpp", "//" + "-" * 99 + "\n", 1, "101 columns"),
    ("a backslash in SQL", "sql/01_a.sql", "-- \\\nselect '\\';\n", 2, "chr(92)"),
    ("a long line of SQL", "sql/01_a.sql", "\n--" + "-" * 99 + "\n", 2, "101 columns"),
    ("a long function", "src/model/a.cpp", "namespace {\n" + function(71) + "}\n", 2, "71 lines"),
    ("a long member", "src/model/a.cpp",
     "class A {\n" + function(71, "  int f(int a = 1) const noexcept") + "};\n", 2, "71 lines"),
    ("a long constructor", "src/model/a.cpp",
     function(71, "A::A(int a)\n    : a_(a)"), 1, "72 lines"),
    ("a long function behind odd literals", "src/model/a.cpp",
     "const char a = '{', b = '\"';\nconst int c = 1'000;\nauto d = R\"x({)\")x\";\n"
     + function(71), 4, "71 lines"),
    ("a long function behind a macro's brace", "src/model/a.cpp",
     "#define A \\\n  {\n" + function(71), 3, "71 lines"),
    ("five parameters", "src/model/a.cpp",
     "void f(int a, std::map<int, int> b, int c, int d, int e = g(1, 2)) {}\n", 1, "5 parameters"),
    ("a long header", "src/model/a.hpp", "\n" * 201, 201, "at most 200"),
    ("a long source", "src/model/a.cpp", "\n" * 401, 401, "at most 400"),
    ("a file's name", "src/model/string_utils.cpp", "", 1, "'utils' in a file's name"),
    ("a type's name", "src/model/a.cpp", "class SessionManager;\n", 1, "SessionManager"),
    ("a function's name", "src/model/a.cpp", "void process_batch();\n", 1, "process_batch"),
    ("a variable's name", "src/model/a.cpp", "int f(int data) { return data; }\n", 1, "name data"),
    ("a member's name", "src/model/a.cpp", "struct A { int data_ = 0; };\n", 1, "data_"),
    ("a name in a test", "tests/spec/a_test.cpp", "int helper;\n", 1, "helper"),
    ("a test that sleeps", "tests/spec/a_test.cpp",
     "void f() { std::this_thread::sleep_for(1s); }\n", 1, "sleeps"),
    ("a test that calls sleep", "tests/spec/a_test.cpp", "void f() { sleep (1); }\n", 1, "sleeps"),
    ("a script that sleeps", "tests/sql/a.sh", "true\nsleep 1\n", 2, "sleeps"),
    ("a fixed port", "tests/spec/a_test.cpp",
     'auto url = "ws://127.0.0.1:8080/";\n', 1, "fixed port"),
    ("a port in a setting", "tests/integration/a_test.cpp", "int port = 5432;\n", 1, "fixed port"),
    ("a promise", "src/model/a.cpp", "// TO" "DO: later\n", 1, "open an issue"),
    ("a promise in SQL", "sql/01_a.sql", "-- FIX" "ME\n", 1, "open an issue"),
]

# What looks like a fault and is none.
GOOD = [
    ("floors downwards", "src/broker/a.cpp",
     '#include "broker/a.hpp"\n#include "rules/b.hpp"\n#include "model/c.hpp"\n'
     '#include "pgtide/result.hpp"\n#include <vector>\n'),
    ("the bridge is where floors meet", "src/bridge/a.cpp",
     '#include "pgtide/bridge.hpp"\n#include "capture/a.hpp"\n#include "gateway/a.hpp"\n'),
    ("tables whose hash has a key, or that needs none", "src/broker/a.cpp",
     "#include <unordered_map>\n"
     "boost::unordered_flat_map<std::string, std::pair<A, B>, TextHash> a;\n"
     "std::unordered_map<Guest*, A> b;\nstd::unordered_map<std::int32_t, A> c;\n"
     "std::unordered_map<std::vector<int>, int, SetHash> d;\n"),
    ("the program", "src/main.cpp", '#include "cli/cli.hpp"\n'),
    ("libraries where they belong", "src/capture/a.cpp",
     "#include <pqxx/pqxx>\n#include <thread>\n"),
    ("a library's and the standard's words", "src/model/a.cpp",
     "auto f(std::string s) { return s.data() + x->handler + YAML::EventHandler::helper; }\n"
     "const char* data();\n"),
    ("words in comments and texts", "src/model/a.cpp",
     '// a data handler; {{{ #include "cli/a.hpp"\nconst char* a = "the manager\'s data {";\n'),
    ("words inside of words", "src/model/a.cpp", "int metadata_of(int database, int processed);\n"),
    ("a function of 70 lines", "src/model/a.cpp", function(70)),
    ("a long text in a function", "src/model/a.cpp",
     'auto f() {\n  return R"(\n' + "row\n" * 90 + ')";\n}\n'),
    ("a long table", "src/model/a.cpp",
     "const std::vector<int> table = {\n" + "  f(1),\n" * 90 + "};\n"),
    ("a long class", "src/model/a.cpp", "class A {\n" + "  int f() { return 1; }\n" * 90 + "};\n"),
    ("four parameters", "src/model/a.cpp",
     "void f(int a, std::map<int, int> b, int c, int d) {}\n"),
    ("a long test", "tests/spec/a_test.cpp", function(300, 'TEST_CASE("a")') + "\n" * 500),
    ("addresses in a unit test", "tests/unit/a_test.cpp", 'auto a = f("127.0.0.1:8080");\n'),
    ("a free port", "tests/spec/a_test.cpp", 'auto a = f("127.0.0.1:0"); // 127.0.0.1:8080\n'),
    ("a page of another port", "tests/spec/a_test.cpp",
     'auto a = "Origin: http://localhost:80";\n'),
    ("how tests wait", "tests/support/eventually.hpp",
     "void f() { std::this_thread::sleep_for(1ms); }\n"),
]


def faults_of(path, text):
    with tempfile.TemporaryDirectory() as root:
        file = Path(root) / path
        file.parent.mkdir(parents=True)
        file.write_text(text, encoding="utf-8")
        tidy = Tidy(Path(root))
        tidy.lengths = [1] * 3  # the median has samples of its own
        return tidy.run()


class Samples(unittest.TestCase):
    def test_each_bad_sample_has_its_one_fault(self):
        for why, path, text, line, part in BAD:
            with self.subTest(why):
                faults = faults_of(path, text)
                self.assertEqual([(path, line)], [fault[:2] for fault in faults], faults)
                self.assertIn(part, faults[0][2])

    def test_what_only_looks_like_a_fault_is_none(self):
        for why, path, text in GOOD:
            with self.subTest(why):
                self.assertEqual([], faults_of(path, text))

    def test_a_listed_test_is_there(self):
        for page in ("tests/hostile_world.md", "tests/triggers_life.md", "SECURITY.md"):
            with self.subTest(page), tempfile.TemporaryDirectory() as root:
                (Path(root) / "tests").mkdir()
                (Path(root) / "tests/a_test.cpp").write_text(
                    'TEST_CASE("a: b "\n          "c") {}\n')
                (Path(root) / page).write_text(
                    "| what happens | the tests |\n|---|---|\n"
                    "| x | `a: b c` |\n| y | `a: d` |\n| z | |\n\n"
                    "| another table | of `names` |\n|---|---|\n| x | `y` |\n")
                self.assertEqual([(4, "there is no test 'a: d'"), (5, "there is no test ''")],
                                 [fault[1:] for fault in Tidy(Path(root)).run()])

    def test_the_median_function_is_short(self):
        with tempfile.TemporaryDirectory() as root:
            (Path(root) / "src/model").mkdir(parents=True)
            (Path(root) / "src/model/a.cpp").write_text(function(15) * 3)
            self.assertEqual(["the median function has 15 lines; it must have less than 15"],
                             [what for _, _, what in Tidy(Path(root)).run()])


if __name__ == "__main__":
    unittest.main()
