#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "support/serving.hpp"

// Names that others chose (of tables, columns, files) in what the program prints: commands that an
// operator pastes into a shell, lines of the log, and the terminal itself.
using namespace pgtide::test;

namespace {

const std::string bell = "\x1b]0;title\x07";
const std::string right_to_left = "\xe2\x80\xae";
const std::string c1 = "\xc2\x9b";
const std::string forged_line = "2026-01-01 00:00:00.000 error forged";

std::string ident(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + "\"";
}
std::string sql_literal(const std::string& name) {
  std::string text = "'";
  for (const char c : name) text += c == '\'' ? "''" : std::string(1, c);
  return text + "'";
}

// A folder in which a shell finds the program as `pgtide`, and what is pasted into that shell.
class Shell {
 public:
  explicit Shell(const std::string& database_url) : database_url_(database_url) {
    std::filesystem::create_directory(folder_.path("bin"));
    std::filesystem::create_symlink(PGTIDE_PROGRAM, folder_.path("bin/pgtide"));
    std::filesystem::create_directory(folder_.path("here"));
  }
  ProgramEnd paste(const std::string& command) {
    const std::string path = "PATH=" + folder_.path("bin") + ":$PATH\n";
    return Program("/bin/sh", {"-c", path + command},
                   {.environment = {"DATABASE_URL=" + database_url_},
                    .folder = folder_.path("here")})
        .wait();
  }
  // Did a name write a file?
  bool betrayed() const { return !std::filesystem::is_empty(folder_.path("here")); }

 private:
  std::string database_url_;
  Folder folder_;
};

bool is_clean(const std::string& text) {
  for (const std::string& bad : {bell, std::string("\x1b"), right_to_left, c1}) {
    if (holds(text, bad)) return false;
  }
  return !text.starts_with(forged_line) && !holds(text, "\n" + forged_line);
}

}  // namespace

TEST_CASE("names: what mends a table can be pasted into a shell, whatever it is called") {
  const std::string names[] = {"plain",
                               "two words",
                               "it's",
                               "$(touch canary)",
                               "`touch canary`",
                               "a; touch canary",
                               "a'; touch canary; 'b",
                               "a\"; touch canary; \"b",
                               "a\\'; touch canary; \\'b",
                               "back\\slash",
                               "*",
                               "-rf",
                               "~root",
                               "a,b",
                               "a \"\" b",
                               "\"",
                               "new\ntouch canary\nline",
                               "a & touch canary &",
                               "> canary",
                               "#no comment",
                               "{a,b}",
                               "$HOME",
                               "Caps"};
  InstalledDatabase database;
  Shell shell(database.url());
  int n = 0;
  for (const std::string& name : names) {
    const std::string collection = "t" + std::to_string(++n);
    database.run("create table " + ident(name) + " (k int not null, " + ident(name) +
                 " int not null, unique (k, " + ident(name) + "));" + "select pgtide.watch(" +
                 sql_literal(ident(name)) + ", '" + collection + "', array['k', " +
                 sql_literal(name) + "]); alter table " + ident(name) +
                 " disable trigger \"!pgtide\"");
  }
  const ProgramEnd told = shell.paste("pgtide status --json");
  CAPTURE(told.errors);
  const nlohmann::json wrong = nlohmann::json::parse(told.output);
  CHECK(wrong.at("collections").size() == std::size(names));
  for (const nlohmann::json& collection : wrong.at("collections")) {
    const std::string command = collection.at("mend").get<std::string>();
    CAPTURE(command);
    const ProgramEnd end = shell.paste(command);
    CAPTURE(end.errors);
    CHECK(end.code == 0);
    CHECK(!shell.betrayed());
  }
  const nlohmann::json mended = nlohmann::json::parse(shell.paste("pgtide status --json").output);
  for (const nlohmann::json& collection : mended.at("collections")) {
    CAPTURE(collection.dump());
    CHECK(collection.at("wrong").is_null());
    CHECK(collection.at("key").size() == 2);
  }
}

namespace {

// What stands behind `mark` in the program's words, which ends the line.
std::string command_after(const std::string& errors, const std::string& mark) {
  const std::size_t at = errors.find(mark);
  if (at == std::string::npos) return "";
  const std::size_t start = at + mark.size();
  return errors.substr(start, errors.find('\n', start) - start);
}

}  // namespace

TEST_CASE("names: a name that is not there is answered by the nearest, in a command that works") {
  InstalledDatabase database;
  Shell shell(database.url());
  database.run("create schema shop; create table \"User\" (id int primary key); "
               "create table \"My Table\" (id int primary key); "
               "create table shop.\"Order Lines\" (a int not null, \"b,c\" int not null, "
               "unique (a, \"b,c\")); create table \"it's\" (id int primary key); "
               "create table posts (id int primary key)");
  struct Case {
    const char* typed;  // for the shell
    const char* meant;
    const char* collection;
  };
  const Case cases[] = {
      {"User", "\"User\"", "User"},
      {"user", "\"User\"", "User"},
      {"users", "\"User\"", "User"},
      {"public.User", "\"User\"", "User"},
      {"usr --as people", "\"User\"", "people"},
      {"'My Table'", "\"My Table\"", "My_Table"},
      {"mytable --without-old-rows", "\"My Table\"", "My_Table"},
      {"shop.orderlines '--key=a,\"b,c\"'", "shop.\"Order Lines\"", "Order_Lines"},
      {"order_lines '--key=a,\"b,c\"'", "shop.\"Order Lines\"", "Order_Lines"},
      {"its", "\"it's\"", "it_s"},
      {"post", "posts", "posts"},
      {"nosuch.posts", "", ""},
      {"elsewhere", "", ""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.typed);
    const ProgramEnd end = shell.paste(std::string("pgtide watch ") + one.typed);
    CAPTURE(end.errors);
    CHECK(end.code == 1);
    const std::string meant = one.meant;
    if (meant.empty()) {
      CHECK(!holds(end.errors, "pgtide install"));
      continue;
    }
    CHECK(holds(end.errors, "did you mean " + meant + "?"));
    const std::string command = command_after(end.errors, "run: ");
    CAPTURE(command);
    const ProgramEnd done = shell.paste(command);
    CAPTURE(done.errors);
    CHECK(done.code == 0);
    CHECK(holds(done.output, std::string(" is collection ") + one.collection + ";"));
    const std::string wrong = std::string(one.collection) + "x";
    const ProgramEnd unknown = shell.paste("pgtide unwatch " + wrong);
    CHECK(holds(unknown.errors, std::string("did you mean ") + one.collection + "?"));
    CHECK(shell.paste(command_after(unknown.errors, "run: ")).code == 0);
  }
  CHECK(holds(shell.paste("pgtide unwatch elsewhere").errors, "pgtide status lists them"));
}

TEST_CASE("names: where a name cannot be a collection's, the command that gives one works") {
  InstalledDatabase database;
  Shell shell(database.url());
  database.run("create schema \"My Shop\"; create table posts (id int primary key); "
               "create table \"My Shop\".posts (id int primary key); "
               "create table \"1st; touch canary\" (id int primary key); "
               "create table \"gr\u00f6\u00dfe\" (id int primary key)");
  CHECK(shell.paste("pgtide watch posts").code == 0);
  for (const char* typed :
       {"'\"My Shop\".posts'", "'\"1st; touch canary\"'", "'\"gr\u00f6\u00dfe\"'"}) {
    CAPTURE(typed);
    const ProgramEnd end = shell.paste(std::string("pgtide watch ") + typed);
    CAPTURE(end.errors);
    CHECK(end.code == 1);
    const std::string command = command_after(end.errors, "(collection => ...): ");
    CHECK(command.starts_with("pgtide watch "));
    const ProgramEnd done = shell.paste(command);
    CAPTURE(done.errors);
    CHECK(done.code == 0);
    CHECK(!shell.betrayed());
  }
}

TEST_CASE("names: what tells whose schema it is can be pasted into a shell, whoever owns it") {
  const Role maker;
  for (const std::string name : {"$(touch canary)", "a'; touch canary; 'b", "two words"}) {
    CAPTURE(name);
    Database database;
    Shell shell(database.url());
    database.run("alter role " + maker.name() + " rename to " + ident(name) +
                 "; create schema pgtide authorization " + ident(name));
    const ProgramEnd told = shell.paste("pgtide install");
    CAPTURE(told.errors);
    const std::size_t at = told.errors.find("pgtide install --owner ");
    const std::size_t end = told.errors.find(" (set pgtide.owner");
    CHECK(end != std::string::npos);
    if (end != std::string::npos) {
      CHECK(shell.paste(told.errors.substr(at, end - at)).code == 0);
    }
    CHECK(!shell.betrayed());
    const ProgramEnd refused = shell.paste("pgtide uninstall");
    CAPTURE(refused.errors);
    const std::size_t way = refused.errors.find("export PGOPTIONS=");
    CHECK(way != std::string::npos);
    if (way != std::string::npos) {
      const std::string line = refused.errors.substr(way, refused.errors.find('\n', way) - way);
      const ProgramEnd done = shell.paste(line + "; pgtide uninstall");
      CHECK_MESSAGE(done.code == 0, done.errors);
    }
    CHECK(!shell.betrayed());
    database.run("drop schema if exists pgtide cascade; alter role " + ident(name) +
                 " rename to " + maker.name());
  }
}

TEST_CASE("names: what mends an open file can be pasted into a shell, whatever it is called") {
  for (const std::string name : {"it's; touch canary.yaml", "$(touch canary).yaml", "a b.yaml"}) {
    CAPTURE(name);
    Folder folder;
    Shell shell("host=/nonexistent");
    const std::string file =
        folder.write(name, "auth: {jwt: {secret: a secret of the tests which all may read}}\n");
    REQUIRE(::chmod(file.c_str(), 0644) == 0);
    const ProgramEnd told =
        run_program({"doctor", "--config", file}, {.environment = {"DATABASE_URL=host=/none"}});
    const std::size_t at = told.output.find("run: chmod");
    REQUIRE(at != std::string::npos);
    const std::string command = told.output.substr(at + 5, told.output.find('\n', at) - at - 5);
    CAPTURE(command);
    CHECK(shell.paste(command).code == 0);
    CHECK(!shell.betrayed());
    struct stat now {};
    REQUIRE(::stat(file.c_str(), &now) == 0);
    CHECK((now.st_mode & 0777) == 0640);
  }
}

TEST_CASE("names: a table's name forges no line of the log, and steers no terminal") {
  Stage stage;
  const std::string name = "x\n" + forged_line + bell + right_to_left + c1;
  stage.database.run("create table " + ident(name) + " (id int primary key);" +
                     "select pgtide.watch(" + sql_literal(ident(name)) + ", 'news')");
  Serving serving(stage, "port");
  eventually([&] { return holds(serving.program->errors(), "forged"); }, patience,
             [&] { return serving.program->errors(); });
  CHECK(is_clean(serving.program->errors()));
  const ProgramOptions here{.environment = {"DATABASE_URL=" + stage.database.url()},
                            .folder = stage.folder.path("")};
  stage.database.run("alter table " + ident(name) + " disable trigger \"!pgtide\"");
  for (const char* command : {"status", "doctor", "check", "unwatch", "watch"}) {
    CAPTURE(command);
    std::vector<std::string> words{command};
    if (std::string(command) == "unwatch") words.push_back(ident(name + "y"));
    if (std::string(command) == "watch") words.push_back(ident(name + "y"));
    const ProgramEnd end = run_program(words, here);
    CHECK(holds(end.output + end.errors, "forged"));
    CHECK_MESSAGE(is_clean(end.output), end.output);
    CHECK_MESSAGE(is_clean(end.errors), end.errors);
  }
}

TEST_CASE("names: a log in JSON holds nothing that steers a terminal either") {
  Stage stage;
  const std::string name = "x\n" + forged_line + bell + right_to_left + c1;
  stage.database.run("create table " + ident(name) + " (id int primary key);" +
                     "select pgtide.watch(" + sql_literal(ident(name)) + ", 'news')");
  Serving serving(stage, "port", {"--log.format", "json"});
  eventually([&] { return holds(serving.program->errors(), "forged"); }, patience,
             [&] { return serving.program->errors(); });
  CHECK(is_clean(serving.program->errors()));
  std::istringstream lines(serving.program->errors());
  for (std::string line; std::getline(lines, line);)
    CHECK(nlohmann::json::parse(line).contains("level"));
}
