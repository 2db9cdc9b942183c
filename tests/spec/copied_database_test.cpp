#include "capture/inspection.hpp"
#include "integration/capture_recorder.hpp"
#include "support/client_programs.hpp"
#include "support/folder.hpp"
#include "support/text.hpp"

// Databases that tools make, copy and make anew: a template's copy, the shadow database of Prisma's
// migrations, what Rails and Django load. A bridge on each says what its own database's rows are.
using namespace pgtide;
using namespace pgtide::test;

namespace {

using Lines = std::vector<std::string>;

// What has come of a collection, told apart from what is to be read anew.
Lines lines_in(const Running& running) {
  Lines lines;
  for (const Event& event : running.sink.events())
    if (event.action != Action::schema_changed) lines.push_back(line_of(event));
  return lines;
}

bool is_told(const Running& running, const std::string& collection) {
  for (const Event& event : running.sink.events())
    if (event.action == Action::schema_changed && event.collection == collection) return true;
  return false;
}

std::string faults_of(Database& database) {
  std::string text;
  for (const Row& row : database.run("select wrong || ': ' || mend from pgtide.look()"))
    text += row[0] + '\n';
  return text;
}

const std::string posts = "create table posts (id int primary key, title text)";

// What a migration says that watches where it can (docs/guide/backup.md).
const std::string watching_migration =
    posts +
    "; do $$ begin if to_regnamespace('pgtide') is not null then "
    "perform pgtide.watch('posts'); end if; end $$";

std::string created(int id, const std::string& title) {
  return "create posts " + std::to_string(id) + " {\"id\":" + std::to_string(id) + ",\"title\":\"" +
         title + "\"}";
}

}  // namespace

TEST_CASE("copies: a template's copy and the original each have their own rows, and nothing else") {
  InstalledDatabase original;
  original.run(posts);
  watch_in(original, "posts");
  {
    Running running(original);
    running.wait_until_leading();
    original.run("insert into posts values (1, 'before')");
    running.wait_for(1);
  }
  const std::string name = original.name();
  PrivatePostgres& server = cluster();
  // Nobody may be connected to a template.
  Session(server.url("postgres"))
      .run("select pg_terminate_backend(pid) from pg_stat_activity where datname = '" + name + "'");
  Database copy("template " + name);
  Running of_original(original);
  of_original.wait_until_leading();
  Running of_copy(copy);
  of_copy.wait_until_leading();
  Session in_original = original.session();
  Session in_copy = copy.session();
  in_original.run("insert into posts values (2, 'original')");
  in_copy.run("insert into posts values (2, 'copy')");
  CHECK(holds(faults_of(copy), "pgtide install"));
  REQUIRE(install(copy.url()).ok());
  in_original.run("insert into posts values (3, 'original')");
  in_copy.run("insert into posts values (3, 'copy')");
  eventually([&] { return lines_in(of_original).size() >= 2 && lines_in(of_copy).size() >= 2; });
  CHECK(lines_in(of_original) == Lines{created(2, "original"), created(3, "original")});
  CHECK(lines_in(of_copy) == Lines{created(2, "copy"), created(3, "copy")});
  CHECK(faults_of(copy) == "");
  Session again = original.session();
  CHECK(again.run("select wrong from pgtide.look()").empty());
}

TEST_CASE("copies: a shadow database where migrations are replayed needs nothing of pgtide's") {
  Database shadow;
  shadow.run(watching_migration);
  shadow.run("insert into posts values (1, 'x')");
  CHECK(shadow.value("select count(*) from pg_trigger") == "0");
}

TEST_CASE("copies: where migrations are reset under a bridge, clients are told, and it goes on") {
  InstalledDatabase database;
  database.run(watching_migration);
  Running running(database);
  running.wait_until_leading();
  Session session = database.session();
  session.run("insert into posts values (1, 'before')");
  running.wait_for(1);
  session.run("drop schema public cascade");
  CHECK(holds(faults_of(database), "table public.posts is gone: pgtide unwatch posts"));
  eventually([&] { return is_told(running, "posts"); });
  session.run("create schema public");
  session.run(watching_migration);
  CHECK(faults_of(database) == "");
  session.run("insert into posts values (1, 'anew')");
  eventually([&] { return lines_in(running).size() >= 2; });
  CHECK(lines_in(running) == Lines{created(1, "before"), created(1, "anew")});
  CHECK(running.sink.broken().empty());
}

TEST_CASE("copies: a migration that does not watch is told with the command that does") {
  InstalledDatabase database;
  database.run(posts);
  watch_in(database, "posts");
  Session session = database.session();
  session.run("drop schema public cascade; create schema public; " + posts);
  CHECK(holds(faults_of(database), "pgtide watch public.posts"));
  watch_in(database, "posts");
  CHECK(faults_of(database) == "");
}

TEST_CASE("copies: a structure that Rails dumps and loads is silent until it is watched") {
  InstalledDatabase database;
  database.run(posts);
  watch_in(database, "posts");
  if (!can_dump(database)) return;
  Database made;
  const Folder folder;
  const auto loaded = in_shell(
      "pg_dump --schema-only --no-privileges --no-owner -f \"$FOLDER/structure.sql\" \"$OLD\"\n"
      "psql -X -q -v ON_ERROR_STOP=1 --single-transaction -f \"$FOLDER/structure.sql\" \"$NEW\"",
      {"OLD=" + database.url(), "NEW=" + made.url(), "FOLDER=" + folder.path("")});
  CHECK_MESSAGE(loaded.code == 0, loaded.errors);
  Session session = made.session();
  session.run("insert into posts values (1, 'test')");
  CHECK(session.value("select count(*) from pgtide.log0") == "0");
  REQUIRE(install(made.url()).ok());
  watch_in(made, "posts");
  Running running(made);
  running.wait_until_leading();
  session.run("insert into posts values (2, 'watched')");
  running.wait_for(1);
  CHECK(lines_in(running) == Lines{created(2, "watched")});
  // What the dump has left of the old collection is named with what takes it away.
  for (const Row& row : made.run("select mend from pgtide.look()")) made.run(row[0]);
  CHECK(faults_of(made) == "");
}

// loaddata: in one transaction an UPDATE of each object, and an INSERT where there was none; flush:
// one TRUNCATE of all tables.
TEST_CASE("copies: what Django's loaddata and flush write arrives as any other writer's") {
  InstalledDatabase database;
  database.run(posts +
               "; create table comments (id int primary key, post int references posts "
               "deferrable initially deferred)");
  watch_in(database, "posts");
  watch_in(database, "comments");
  Running running(database);
  running.wait_until_leading();
  Session session = database.session();
  session.run(
      "begin; set constraints all deferred; update comments set post = 1 where id = 1; "
      "insert into comments values (1, 1); update posts set title = 'a' where id = 1; "
      "insert into posts values (1, 'a'); commit");
  session.run("update posts set title = 'b' where id = 1");
  session.run("truncate posts, comments");
  eventually([&] { return lines_in(running).size() >= 5; });
  CHECK(lines_in(running) == Lines{"create comments 1 {\"id\":1,\"post\":1}", created(1, "a"),
                                   "update posts 1 {\"id\":1,\"title\":\"b\"}", "truncate posts  ",
                                   "truncate comments  "});
}
