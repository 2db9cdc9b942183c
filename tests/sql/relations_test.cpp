// A capture function serves its own relation and its partitions: whoever else comes to have a
// trigger that calls it. And what comes to a watched table later that `watch` would have refused.
#include <doctest/doctest.h>

#include "support/installed_database.hpp"

using namespace pgtide;
using namespace pgtide::test;

namespace {

void watch_table(const Database& database, const std::string& table) {
  const auto done = watch(database.url(), {.table = table});
  REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message));
}

// What is logged, as "collection action record", a line for each.
std::string logged(Database& database) {
  std::string text;
  for (const Row& row : database.run(
           "select concat_ws(' ', coalesce(c.name, l.collection::text), l.action, l.record) "
           "from pgtide.log l left join pgtide.collection c on c.id = l.collection order by l.id"))
    text += row[0] + '\n';
  return text;
}

void empty_log(Database& database) { database.run("truncate pgtide.log0"); }

// What the look says is wrong, beside the mend; and status says the same of the schema.
std::string seen_faults(Database& database) {
  std::string text;
  for (const Row& row : database.run("select wrong || ': ' || mend from pgtide.look()"))
    text += row[0] + '\n';
  return text;
}

std::string schema_faults_of(Database& database) {
  std::string text;
  for (const Row& row : database.run("select wrong || ': ' || mend from pgtide.schema_faults()"))
    text += row[0] + '\n';
  return text;
}

const std::string parted =
    "create table parts (id int primary key, t text) partition by range (id); "
    "create table low partition of parts for values from (0) to (100); ";

}  // namespace

TEST_CASE("relations: a trigger on a table that is not the collection's logs nothing, is named") {
  struct Case {
    const char* why;
    std::string table;
    std::string values;
  };
  const Case cases[] = {
      {"the same columns", "create table stray (id int primary key, t text)", "(1, 'x')"},
      {"others", "create table stray (a text, b int, c json)", "('a', 1, '{}')"},
      {"a key of another type", "create table stray (id text primary key, t int)", "('1', 1)"},
      {"a partition of another table",
       "create table whole (id int primary key, t text) partition by range (id); "
       "create table stray partition of whole default",
       "(1, 'x')"},
      {"partitioned itself",
       "create table stray (id int primary key, t text) partition by range (id); "
       "create table stray1 partition of stray default",
       "(1, 'x')"},
  };
  for (const char* watched : {"chat", "parts"}) {
    for (const Case& one : cases) {
      CAPTURE(std::string(watched));
      CAPTURE(std::string(one.why));
      InstalledDatabase database;
      database.run("create table chat (id int primary key, t text); " + parted);
      watch_table(database, watched);
      database.run(one.table);
      database.run(
          "create trigger \"!pgtide\" after insert or update or delete on stray for each row "
          "execute function pgtide.capture_1(); create trigger \"!pgtide_truncate\" after truncate "
          "on stray execute function pgtide.truncate_1('root')");
      database.run("insert into stray values " + one.values);
      database.run("delete from stray");
      database.run("truncate stray");
      CHECK(logged(database) == "");
      const std::string named = " of table public.stray belongs to no collection and logs nothing";
      const std::string says =
          "trigger \"!pgtide\"" + named + ": DROP TRIGGER \"!pgtide\" ON public.stray;\n" +
          "trigger \"!pgtide_truncate\"" + named +
          ": DROP TRIGGER \"!pgtide_truncate\" ON public.stray;\n";
      CHECK(schema_faults_of(database) == says);
      CHECK(seen_faults(database) == says);
      for (const Row& row : database.run("select mend from pgtide.schema_faults()"))
        database.run(row[0]);
      CHECK(seen_faults(database) == "");
    }
  }
}

TEST_CASE("relations: a trigger that says it is a partition's is looked at like any other") {
  InstalledDatabase database;
  database.run(parted + "create table stray (id int primary key, t text); create table whole (id "
               "int primary key, t text) partition by range (id); create table half partition of "
               "whole default");
  watch_table(database, "parts");
  CHECK(schema_faults_of(database) == "");
  const std::string row = " for each row execute function pgtide.capture_1('partition')";
  database.run("create trigger one after insert on stray" + row +
               "; create trigger two after insert on low" + row +
               "; create trigger \"!pgtide_truncate\" after truncate on half execute function "
               "pgtide.truncate_1('partition'); create trigger three after truncate on stray "
               "execute function pgtide.truncate_1('partition')");
  const std::string none = " belongs to no collection and logs nothing: DROP TRIGGER ";
  CHECK(schema_faults_of(database) ==
        "trigger one of table public.stray" + none + "one ON public.stray;\n" +
        "trigger two of table public.low logs changes that are logged anyhow: DROP TRIGGER two ON "
        "public.low;\n" +
        "trigger \"!pgtide_truncate\" of table public.half" + none +
        "\"!pgtide_truncate\" ON public.half;\n" +
        "trigger three of table public.stray" + none + "three ON public.stray;\n");
  for (const Row& fault : database.run("select mend from pgtide.schema_faults()"))
    database.run(fault[0]);
  CHECK(schema_faults_of(database) == "");
  // To detach a partition is an everyday matter, and what it keeps of ours does nothing.
  database.run("alter table parts detach partition low; truncate low");
  CHECK(schema_faults_of(database) == "");
  CHECK(logged(database) == "");
}

TEST_CASE("relations: an update on another table, and one that changes its key, log nothing") {
  InstalledDatabase database;
  database.run("create table chat (id int primary key, t text); " + parted +
               "create table stray (id int primary key, t text)");
  for (const char* watched : {"chat", "parts"}) watch_table(database, watched);
  for (const char* number : {"1", "2"}) {
    database.run(std::string("create trigger stray") + number +
                 " after insert or update or delete on stray for each row execute function "
                 "pgtide.capture_" + number + "()");
  }
  database.run("insert into stray values (1, 'x'); update stray set t = 'y'; "
               "update stray set id = 2; update stray set id = 3, t = 'z'; delete from stray");
  CHECK(logged(database) == "");
}

// As with pg_dump --schema-only: the triggers and their functions come along, what they belong to
// does not, and numbers begin anew. Here tables even have the numbers that they had.
TEST_CASE("relations: after a dump without its data no collection gets the rows of another") {
  InstalledDatabase database;
  database.run("create table dms (id int primary key, t text); "
               "create table chat (id int primary key, t text)");
  watch_table(database, "dms");
  watch_table(database, "chat");
  database.run("delete from pgtide.collection; delete from pgtide.meta; "
               "delete from pgtide.rotation; delete from pgtide.fingerprint; "
               "alter table pgtide.collection alter id restart");
  REQUIRE(install(database.url()).ok());
  database.run("insert into dms values (1, 'before')");
  watch_table(database, "chat");
  database.run("insert into dms values (2, 'private'); insert into chat values (3, 'public')");
  CHECK(logged(database).find("chat c 1") == std::string::npos);
  CHECK(logged(database).find("chat c 2") == std::string::npos);
  CHECK(logged(database).find("chat c 3") != std::string::npos);
  CHECK(schema_faults_of(database).find("trigger \"!pgtide\" of table public.dms belongs to no") !=
        std::string::npos);
  for (int round = 0; round < 9 && !schema_faults_of(database).empty(); ++round)
    database.run(*database.value("select mend from pgtide.schema_faults()"));
  CHECK(schema_faults_of(database) == "");
  watch_table(database, "dms");
  empty_log(database);
  database.run("insert into dms values (4, 'private'); insert into chat values (5, 'public')");
  CHECK(logged(database) == "dms c 4\nchat c 5\n");
}

TEST_CASE("relations: a table restored under its name is taken up again, a stranger's is not") {
  const Role stranger;
  for (const bool foreign : {false, true}) {
    CAPTURE(foreign);
    InstalledDatabase database;
    database.run("create table chat (id int primary key, t text); create table old (id int); ");
    watch_table(database, "chat");
    database.run("drop table chat; create table chat (id int primary key, t text); "
                 "create trigger \"!pgtide\" after insert or update or delete on chat for each row "
                 "execute function pgtide.capture_1(); "
                 "alter table chat enable always trigger \"!pgtide\"; "
                 "create trigger \"!pgtide_truncate\" after truncate on chat execute function "
                 "pgtide.truncate_1('root'); "
                 "alter table chat enable always trigger \"!pgtide_truncate\"");
    if (foreign) database.run("alter table chat owner to " + stranger.name());
    const std::string says = foreign ? "table public.chat of role " + stranger.name() +
                                           " is not the one that is watched, which belonged to "
                                           "role postgres; to hand it the collection: pgtide watch "
                                           "public.chat --as chat: pgtide unwatch chat\n"
                                     : "";
    CHECK(seen_faults(database) == says);
    CHECK(logged(database) == "chat s\n");
    database.run("insert into chat values (1, 'x')");
    CHECK(logged(database) == (foreign ? "chat s\n" : "chat s\nchat c 1\n"));
    CHECK(seen_faults(database) == says);
    if (foreign) database.run("drop table chat");
  }
}

TEST_CASE("partitions: the owner of a watched table makes them, whatever they may do besides") {
  const Role owner;
  InstalledDatabase database;
  database.run("grant create on schema public to " + owner.name());
  Session session = database.session(owner.name());
  session.run(parted);
  watch_table(database, "parts");
  CHECK(session.attempt("create table high partition of parts for values from (100) to (200)")
            .message == "");
  CHECK(session.attempt("create table higher (id int primary key, t text); insert into higher "
                        "values (250, 'before'); alter table parts attach partition higher for "
                        "values from (200) to (300)")
            .message == "");
  CHECK(session.attempt("create table top partition of parts for values from (300) to (500) "
                        "partition by range (id); create table top1 partition of top default")
            .message == "");
  const std::string change = "insert into parts values (1), (101), (201), (301); "
                             "insert into top1 values (302); update parts set t = 'x' where id = "
                             "201; update parts set id = 150 where id = 1; delete from top";
  const std::string logs =
      "parts c 1\nparts c 101\nparts c 201\nparts c 301\nparts c 302\nparts u 201\n"
      "parts d 1\nparts c 150\nparts d 301\nparts d 302\n";
  session.run(change);
  CHECK(logged(database) == logs);
  // And after the look has seen them.
  CHECK(seen_faults(database) == "");
  session.run("delete from parts");
  empty_log(database);
  session.run(change);
  CHECK(logged(database) == logs);
  CHECK(database.run("select * from pgtide.rights_of_others()").empty());
  // Whoever takes over the table makes partitions as well.
  const Role next;
  database.run("grant create on schema public to " + next.name() + "; alter table parts owner to " +
               next.name());
  CHECK(database.session(next.name())
            .attempt("create table nine partition of parts for values from (900) to (999)")
            .message == "");
  database.run("drop owned by " + next.name() + "; drop owned by " + owner.name());
}

TEST_CASE("partitions: with very many of them, rows are logged from known and from new ones") {
  InstalledDatabase database;
  database.run("create table parts (id int primary key) partition by list (id)");
  database.run("do $$ begin for n in 1..120 loop execute format('create table p%s partition of "
               "parts for values in (%s)', n, n); end loop; end $$");
  watch_table(database, "parts");
  database.run("create table p121 partition of parts for values in (121)");
  database.run("insert into parts values (1), (120), (121)");
  CHECK(logged(database) == "parts c 1\nparts c 120\nparts c 121\n");
}

TEST_CASE("partitions: one that was away between two looks is told of, whatever was done to it") {
  struct Case {
    const char* why;
    const char* sql;
  };
  const Case cases[] = {
      {"detached, changed, attached again",
       "alter table parts detach partition low; update low set t = 'unseen'; "
       "alter table parts attach partition low for values from (0) to (100)"},
      {"its trigger disabled and enabled",
       "alter table low disable trigger \"!pgtide\"; update low set t = 'unseen'; "
       "alter table low enable always trigger \"!pgtide\""},
      {"one below a partition",
       "alter table top detach partition top1; update top1 set t = 'unseen'; "
       "alter table top attach partition top1 default"},
      {"a partition that has partitions",
       "alter table parts detach partition top; update top set t = 'unseen'; "
       "alter table parts attach partition top for values from (300) to (500)"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.why));
    InstalledDatabase database;
    database.run(parted +
                 "create table top partition of parts for values from (300) to (500) partition by "
                 "range (id); create table top1 partition of top default");
    watch_table(database, "parts");
    database.run("insert into parts values (1), (301)");
    CHECK(seen_faults(database) == "");
    empty_log(database);
    database.run(one.sql);
    CHECK(logged(database) == "");
    CHECK(seen_faults(database) == "");
    CHECK(logged(database) == "parts s\n");
    CHECK(seen_faults(database) == "");
    CHECK(logged(database) == "parts s\n");
  }
}

TEST_CASE("look: what watch refuses is found and told when it comes later, with its mend") {
  struct Case {
    const char* why;
    const char* sql;
    const char* says;
    const char* told;
  };
  const Case cases[] = {
      {"a child by inheritance", "create table kid () inherits (t)",
       "table public.t cannot be watched: it has inheritance children, whose rows its triggers do "
       "not see: use a partitioned table: ALTER TABLE public.kid NO INHERIT public.t;\n",
       "t s\n"},
      {"a parent", "create table up (id int not null); alter table t inherit up",
       "table public.t cannot be watched: it is an inheritance child: use a partitioned table: "
       "ALTER TABLE public.t NO INHERIT public.up;\n",
       "t s\n"},
      {"unlogged", "alter table t set unlogged",
       "table public.t cannot be watched: it is unlogged: a crash empties it and tells nobody "
       "(ALTER TABLE ... SET LOGGED mends it): ALTER TABLE public.t SET LOGGED;\n",
       "t s\n"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.why));
    InstalledDatabase database;
    database.run("create table t (id int primary key)");
    watch_table(database, "t");
    CHECK(seen_faults(database) == "");
    database.run(one.sql);
    CHECK(seen_faults(database) == one.says);
    CHECK(logged(database) == one.told);
    CHECK(seen_faults(database) == one.says);
    CHECK(logged(database) == one.told);
    database.run(*database.value("select mend from pgtide.look()"));
    CHECK(seen_faults(database) == "");
  }
}

TEST_CASE("look: what a key has lost is told with the statement that gives it back") {
  struct Case {
    const char* why;
    const char* made;
    std::vector<std::string> key;
    const char* spoilt;
    const char* mend;
  };
  const Case cases[] = {
      {"no primary key", "create table t (id int primary key)", {},
       "alter table t drop constraint t_pkey", "ALTER TABLE public.t ADD PRIMARY KEY (id);"},
      {"two columns, in their order",
       "create table t (\"B b\" int, a int, primary key (\"B b\", a))", {},
       "alter table t drop constraint t_pkey",
       "ALTER TABLE public.t ADD PRIMARY KEY (\"B b\", a);"},
      {"a deferrable one", "create table t (id int primary key)", {},
       "alter table t drop constraint t_pkey, add constraint \"A key\" primary key (id) deferrable",
       "ALTER TABLE public.t DROP CONSTRAINT \"A key\", ADD PRIMARY KEY (id);"},
      {"no unique index",
       "create table t (a int not null, b int not null, constraint k unique (b, a))", {"a", "b"},
       "alter table t drop constraint k", "CREATE UNIQUE INDEX ON public.t (a, b);"},
      {"columns that may be null",
       "create table t (a int not null, b int not null, n int not null, unique (a, b, n))",
       {"a", "b", "n"}, "alter table t alter a drop not null, alter n drop not null",
       "ALTER TABLE public.t ALTER COLUMN a SET NOT NULL, ALTER COLUMN n SET NOT NULL;"},
      {"no column", "create table t (a int not null, b int not null, unique (a, b))", {"a", "b"},
       "alter table t drop column b", "pgtide unwatch t"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.why));
    InstalledDatabase database;
    database.run(one.made);
    const auto done = watch(database.url(), {.table = "t", .key = one.key});
    REQUIRE_MESSAGE(done.ok(), (done.ok() ? "" : done.error().message));
    database.run(one.spoilt);
    CHECK(database.value("select mend from pgtide.look()") == one.mend);
    if (std::string(one.mend).starts_with("pgtide")) {
      CHECK(unwatch(database.url(), "t").ok());
    } else {
      database.run(one.mend);
    }
    CHECK(seen_faults(database) == "");
  }
}

TEST_CASE("partitions: a table that is watched itself is attached as the watch of either says") {
  const std::string alone = "create table alone (t text, id int primary key); ";
  const std::string told = "table public.alone cannot be attached to public.parts as a partition "
                           "while both are watched";
  for (const bool parted_first : {true, false}) {
    CAPTURE(parted_first);
    InstalledDatabase database;
    database.run(parted + alone + "create table others (id int primary key, n int)");
    watch_table(database, "others");
    std::string warned;
    const auto warn = [&warned](std::string_view text) { warned += text; };
    for (const char* table : {parted_first ? "parts" : "alone", parted_first ? "alone" : "parts"}) {
      CHECK(warned == "");
      REQUIRE(watch(database.url(), {.table = table, .warn = warn}).ok());
    }
    CHECK_MESSAGE(warned.find(told) != std::string::npos, warned);
    const std::string attach =
        "alter table public.parts attach partition public.alone for values from (100) to (200)";
    database.run("insert into alone values ('x', 100)");
    CHECK_FALSE(database.session().attempt(attach).ok());
    const std::string unwatch_it = "select pgtide.unwatch('public.alone')";
    CHECK_MESSAGE(warned.find(unwatch_it) != std::string::npos, warned);
    database.run("begin; " + unwatch_it + "; " + attach + "; commit");
    database.run("update alone set t = 'y'; insert into parts values (101, 'z')");
    CHECK(logged(database).ends_with("parts u 100\nparts c 101\n"));
    CHECK(seen_faults(database) == "");
    CHECK(logged(database).ends_with("parts s\n"));
  }
}

TEST_CASE("watch: a key of a type that gives two values one record id is refused, later told") {
  struct Case {
    const char* why;
    const char* made;
    std::vector<std::string> key;
    const char* says;
  };
  const std::string alike = "table public.t cannot be watched: its key column k is of type ";
  const std::string json = "jsonb, in which 1 and \"1\" have the same record id and null has none";
  const Case cases[] = {
      {"the primary key", "create table t (k jsonb primary key)", {}, "jsonb, in which"},
      {"one of two columns", "create table t (n int, k jsonb, primary key (n, k))", {},
       "jsonb, in which"},
      {"a key that is named", "create table t (k jsonb not null unique)", {"k"},
       "jsonb, in which"},
      {"a domain", "create domain doc as jsonb; create table t (k doc primary key)", {},
       "doc, in which"},
      {"functions by their name", "create table t (k regproc primary key)", {},
       "regproc, which prints different values alike"},
      {"operators by theirs", "create table t (k regoper primary key)", {},
       "regoper, which prints different values alike"},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.why));
    InstalledDatabase database;
    database.run(one.made);
    const auto refused = watch(database.url(), {.table = "t", .key = one.key});
    REQUIRE_FALSE(refused.ok());
    CAPTURE(refused.error().message);
    CHECK(refused.error().message.starts_with(alike));
    CHECK(refused.error().message.find(one.says) != std::string::npos);
  }
  // Within an array or a composite a value has its quotes.
  InstalledDatabase database;
  database.run("create table lists (k jsonb[] primary key)");
  watch_table(database, "lists");
  database.run("insert into lists values ('{1}'), (array['\"1\"'::jsonb]), (array['null'::jsonb])");
  CHECK(database.run("select count(distinct record) from pgtide.log")[0][0] == "3");
  empty_log(database);
  // A key that becomes one.
  database.run("create table t (k text primary key)");
  watch_table(database, "t");
  CHECK(seen_faults(database) == "");
  database.run("alter table t alter column k type jsonb using to_jsonb(k)");
  CHECK(seen_faults(database) == alike + json + ": pgtide unwatch t\n");
  CHECK(logged(database) == "t s\n");
  database.run("alter table t alter column k type text using k #>> '{}'");
  CHECK(seen_faults(database) == "");
  CHECK(logged(database) == "t s\nt s\n");
}

TEST_CASE("look: an unlogged partition is refused by watch, and found and told with its mend") {
  InstalledDatabase database;
  database.run(parted + "alter table low set unlogged");
  const auto refused = watch(database.url(), {.table = "parts"});
  REQUIRE_FALSE(refused.ok());
  CHECK_MESSAGE(refused.error().message.find("a partition that is unlogged, public.low") !=
                    std::string::npos,
                refused.error().message);
  database.run("alter table low set logged");
  watch_table(database, "parts");
  CHECK(seen_faults(database) == "");
  database.run("alter table low set unlogged");
  CHECK(seen_faults(database) ==
        "table public.parts cannot be watched: it has a partition that is unlogged, public.low: "
        "a crash empties it and tells nobody: ALTER TABLE public.low SET LOGGED;\n");
  database.run(*database.value("select mend from pgtide.look()"));
  CHECK(seen_faults(database) == "");
}

TEST_CASE("look: a trigger called at fewer moments than ours is found, and watch mends it") {
  for (const char* made :
       {"create trigger \"!pgtide\" after insert on t for each row execute function "
        "pgtide.capture_1()",
        "create trigger \"!pgtide\" after insert or delete or update of id on t for each row "
        "execute function pgtide.capture_1()",
        "create trigger \"!pgtide\" before insert or update or delete on t for each row execute "
        "function pgtide.capture_1()",
        "create trigger \"!pgtide\" after insert or update or delete on t execute function "
        "pgtide.capture_1()",
        "create constraint trigger \"!pgtide\" after insert or update or delete on t deferrable "
        "initially deferred for each row execute function pgtide.capture_1()"}) {
    CAPTURE(std::string(made));
    InstalledDatabase database;
    database.run("create table t (id int primary key)");
    watch_table(database, "t");
    database.run("drop trigger \"!pgtide\" on t");
    database.run(made);
    database.run("alter table t enable always trigger \"!pgtide\"");
    CHECK(seen_faults(database) == "table public.t lacks its trigger: pgtide watch public.t\n");
    watch_table(database, "t");
    CHECK(seen_faults(database) == "");
    empty_log(database);
    database.run("insert into t values (1); update t set id = 2; delete from t");
    CHECK(logged(database) == "t c 1\nt d 1\nt c 2\nt d 2\n");
  }
}

TEST_CASE("relations: a stranger's table of a renamed one's name is handed nothing without --as") {
  const Role owner, stranger;
  InstalledDatabase database;
  database.run("grant create on schema public to " + owner.name() + ", " + stranger.name());
  Session session = database.session(owner.name());
  session.run("create table pay (id int primary key, t text)");
  watch_table(database, "pay");
  session.run("alter table pay rename to pay_v1");
  Session other = database.session(stranger.name());
  other.run("create table pay (id int primary key, t text)");
  const std::string is = "table public.pay of role " + stranger.name() +
                         " is not the one that is watched, which belongs to role " + owner.name() +
                         " and is called public.pay_v1 now; to hand it the collection: pgtide "
                         "watch public.pay --as pay: pgtide watch public.pay_v1 --as pay\n";
  CHECK(seen_faults(database) == is);
  const auto taken = watch(database.url(), {.table = "pay"});
  REQUIRE_FALSE(taken.ok());
  CHECK_MESSAGE(taken.error().message.find("pgtide watch public.pay --as pay") !=
                    std::string::npos, taken.error().message);
  other.run("insert into pay values (666, 'forged')");
  session.run("insert into pay_v1 values (1, 'x')");
  CHECK(logged(database) == "pay s\npay c 1\n");
  // Under another name it is another collection.
  const auto beside = watch(database.url(), {.table = "pay", .collection = "pay2"});
  CHECK_MESSAGE(beside.ok(), (beside.ok() ? "" : beside.error().message));
  other.run("insert into pay values (2, 'own')");
  CHECK(logged(database) == "pay s\npay c 1\npay2 c 2\n");
  REQUIRE(unwatch(database.url(), "pay2").ok());
  // As the mend says, the collection stays with its table and learns its name.
  REQUIRE(watch(database.url(), {.table = "pay_v1", .collection = "pay"}).ok());
  CHECK(seen_faults(database) == "");
  // Where it is gone, the word of consent hands it over.
  session.run("alter table pay_v1 rename to old_pay");
  CHECK(seen_faults(database) == "");
  session.run("drop table old_pay");
  database.run("alter table pay rename to old_pay");
  CHECK_FALSE(watch(database.url(), {.table = "old_pay"}).ok());
  CHECK(watch(database.url(), {.table = "old_pay", .collection = "pay"}).ok());
  other.run("insert into old_pay values (3, 'own')");
  CHECK(seen_faults(database) == "");
  database.run("drop table old_pay");
}
