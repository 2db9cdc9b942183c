#include <doctest/doctest.h>

#include <fstream>
#include <regex>
#include <set>

#include "support/serving.hpp"

// A schema that anybody may write to, full of functions and operators that are called like
// PostgreSQL's and match better; a superuser runs everything in it, and nothing of it is called.
using namespace pgtide::test;

namespace {

// Every word of our SQL and of the sources that hold some: what it calls is among them.
std::string words_of_our_sql() {
  std::set<std::string> words;
  for (const char* folder : {"sql", "src/capture", "src/cli"}) {
    for (const auto& file :
         std::filesystem::directory_iterator(std::string(PGTIDE_SOURCE_DIR) + "/" + folder)) {
      if (!file.is_regular_file()) continue;
      std::ifstream stream(file.path());
      const std::string text{std::istreambuf_iterator<char>(stream), {}};
      static const std::regex word("[a-z_][a-z_0-9]*");
      for (auto at = std::sregex_iterator(text.begin(), text.end(), word);
           at != std::sregex_iterator(); ++at)
        words.insert(at->str());
    }
  }
  std::string array = "{";
  for (const std::string& word : words) array += (array.size() > 1 ? "," : "") + word;
  return array + "}";
}

// Each call is noted by a sequence, which a rollback does not undo, as the number of the last one.
const char* const make_public_hostile = R"(
do $make$
declare
  kinds constant regtype[] := '{text,name,oid,regclass,int4,int8,"char",bool,varchar,unknown}';
  usual constant regtype[] := '{text,name,oid,regclass,int4,int8,"char"}';
  f record;
  made bigint := 0;
  body constant text := 'begin perform pg_catalog.setval(''public.called'', %s); return%s; end';
begin
  for f in
    with words as (select unnest(current_setting('test.words')::text[]) as word),
    named as (select p.proname, p.pronargs, p.provariadic <> 0 as spread,
                     coalesce(min(t.typname) filter (where t.typtype <> 'p'), 'text') as returned
                from pg_proc p join words on word = p.proname
                join pg_type t on t.oid = p.prorettype
               where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind in ('f', 'a')
               group by 1, 2, 3),
    exact as (select p.proname, array_to_string(p.proargtypes::oid[]::regtype[], ', ') as args,
                     p.prorettype::regtype::text as returned
                from pg_proc p join words on word = p.proname
               where p.pronamespace = 'pg_catalog'::regnamespace and p.prokind in ('f', 'a')
                 and not exists (select from unnest(p.proargtypes::oid[] || p.prorettype) a
                                   join pg_type t on t.oid = a where t.typtype = 'p'
                                    and t.typname <> 'void')),
    one as (select proname, k::text as args, returned from named, unnest(kinds) k
             where (pronargs = 1 or spread) and k <> 'unknown'::regtype),
    two as (select proname, format('%s, %s', k, l), returned from named, unnest(usual) k,
                   unnest(usual) l where pronargs = 2 or spread)
    select distinct on (proname, args) * from (
      select * from exact union all select * from one union all select * from two) x
  loop
    made := made + 1;
    insert into public.hostile values (made, f.proname || '(' || f.args || ')');
    begin
      execute format('create function public.%I(%s) returns %s language plpgsql as %L',
                     f.proname, f.args, f.returned, format(body, made,
                     case f.returned when 'void' then '' else ' null' end));
    exception when others then null;
    end;
  end loop;
  for f in
    select distinct on (oprname, l, r) * from (
      select oprname, oprleft::regtype::text as l, oprright::regtype::text as r,
             oprresult::regtype::text as returned
        from pg_operator where oprleft <> 0 and oprnamespace = 'pg_catalog'::regnamespace
         and oprname in ('=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '*', '/', '%', '~', '!~',
                         '~~', '@>', '#>>', '&', '*=')
      union all
      select o, a::text, b::text, case when o in ('||') then 'text' else 'bool' end
        from unnest('{=,<>,<,>,<=,>=,||,~,~~}'::text[]) o, unnest(kinds) a, unnest(kinds) b
       where 'unknown'::regtype not in (a, b)) x
  loop
    made := made + 1;
    insert into public.hostile values (made, f.l || ' ' || f.oprname || ' ' || f.r);
    begin
      execute format('create function public.hostile_%s(%s, %s) returns %s language plpgsql as %L',
                     made, f.l, f.r, f.returned, format(body, made, ' null'));
      execute format('create operator public.%s (leftarg = %s, rightarg = %s, function = '
                     'public.hostile_%s)', f.oprname, f.l, f.r, made);
    exception when others then null;
    end;
  end loop;
end $make$)";

}  // namespace

TEST_CASE("search_path: whatever lies in a schema of the operator's path, none of it is called") {
  for (const char* path : {R"("$user", public)", "public, pg_catalog"}) {
    CAPTURE(path);
    Folder folder;
    Database database;
    Session stranger = database.session();
    stranger.run("set search_path = pg_catalog; set client_min_messages = error");
    stranger.run("create sequence public.called; create table public.hostile (n int8, what text); "
                 "create table public.posts (id int8 primary key, title text)");
    stranger.run("set test.words = '" + words_of_our_sql() + "'");
    stranger.run(make_public_hostile);
    REQUIRE(stranger.value("select count(*) > 3000 from public.hostile") == "t");
    // Without being in the way it proves nothing.
    REQUIRE(stranger.value("select count(*) > 2000 from pg_proc "
                           "where pronamespace = 'public'::regnamespace") == "t");
    stranger.run("alter database " + database.name() + " set search_path = " + path);
    const auto called = [&] {
      return stranger.value("select what from public.hostile, public.called "
                            "where is_called and n = last_value").value_or("nothing");
    };
    const auto nothing_called = [&] {
      return stranger.value("select is_called from public.called") == "f" ? "nothing" : called();
    };
    folder.write("rules.yaml", "version: 1\ncollections:\n  posts:\n    subscribe: public\n");
    const auto run = [&](const std::vector<std::string>& arguments) {
      const ProgramEnd end = run_program(
          arguments, {.environment = {"DATABASE_URL=" + database.url()},
                      .folder = folder.path("")});
      CAPTURE(arguments.front());
      const std::string said = end.output + end.errors;
      CHECK_MESSAGE(end.code == 0, said);
      CHECK(nothing_called() == "nothing");
    };
    run({"install"});
    run({"watch", "posts", "--as", "posts"});
    run({"watch", "posts"});
    run({"install"});
    const std::string port_file = folder.path("port");
    {
      Program bridge(PGTIDE_PROGRAM,
                     {"run", "--server.listen", "127.0.0.1:0", "--server.port-file", port_file},
                     {.environment = {"DATABASE_URL=" + database.url()},
                      .folder = folder.path("")});
      eventually([&] { return std::filesystem::exists(port_file); }, patience,
                 [&] { return bridge.errors(); });
      const std::string address = first_line(port_file);
      eventually([&] { return http(address, "GET /readyz").status == 200; }, patience,
                 [&] { return http(address, "GET /readyz").body + bridge.errors(); });
      WireClient client(address, "/realtime/subscribe");
      client.send(R"({"type":"subscribe","pattern":"posts.*"})");
      while (!holds(client.next(), "subscribed")) {
      }
      stranger.run("insert into public.posts values (1, 'a')");
      stranger.run("update public.posts set title = 'b'");
      stranger.run("delete from public.posts");
      while (!holds(client.next(), "\"action\":\"delete\"")) {
      }
      run({"status"});
      run({"doctor"});
      run({"check"});
      run({"broadcast", "--all", "{}"});
    }
    const std::string demo_port_file = folder.path("demo");
    {
      Program demo(PGTIDE_PROGRAM,
                   {"demo", "--server.listen", "127.0.0.1:0", "--server.port-file", demo_port_file},
                   {.environment = {"DATABASE_URL=" + database.url()},
                    .folder = folder.path("")});
      eventually([&] { return std::filesystem::exists(demo_port_file) || !demo.running(); },
                 patience, [&] { return demo.errors(); });
      CHECK_MESSAGE(demo.running(), demo.errors());
    }
    CHECK(nothing_called() == "nothing");
    run({"unwatch", "posts"});
    run({"uninstall"});
  }
}
