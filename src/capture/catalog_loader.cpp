#include "capture/catalog_loader.hpp"

#include <algorithm>
#include <utility>

#include "capture/change_row.hpp"
#include "capture/fault.hpp"
#include "capture/statement_limit.hpp"
#include "model/wording.hpp"

namespace pgtide {
namespace {

// Arrays travel as one element per row: (collection, which array, place). The columns are those of
// this moment; what pgtide.collection says of them is as old as the last look. Virtual columns are
// left out, as from the log (sql/02_types.sql, row_source): no rule may decide on them.
constexpr const char* collections_sql =
    "select id, name, table_schema || '.' || table_name, old_rows, "
    "concat_ws('; also: ', reported, beside) "
    "from pgtide.collection order by id";
constexpr const char* names_sql =
    "select id, 0, n, c from pgtide.collection, unnest(key) with ordinality as k(c, n) union all "
    "select id, 1, attnum, attname from pgtide.collection join pg_attribute "
    "on attrelid = relation and attnum > 0 and not attisdropped and attgenerated <> 'v' "
    "order by 1, 2, 3";

// What to_json makes of a type, by its own rules (json.c): six types are numbers, and a type of an
// extension may bring a cast to json of its own. Domains count as what they are made of.
constexpr const char* types_sql = R"(
with recursive made_of(id, name, number, shown, part, type, depth) as (
  select w.id, a.attname::text, a.attnum, format_type(a.atttypid, null), 0, a.atttypid, 0
    from pgtide.collection w
    join pg_attribute a on a.attrelid = w.relation and a.attnum > 0 and not a.attisdropped
  union all
  select m.id, m.name, m.number, m.shown, m.part + (t.typtype <> 'd')::int,
         case when t.typtype = 'd' then t.typbasetype else t.typelem end, m.depth + 1
    from made_of m join pg_type t on t.oid = m.type
   where m.depth < 100 and (t.typtype = 'd' or m.part = 0 and t.typcategory = 'A'
                            and t.typlen = -1 and t.typelem <> 0)),
made(id, name, number, shown, part, type, has_cast) as materialized (
  select m.id, m.name, m.number, m.shown, m.part, m.type, m.type >= 16384 and exists (
           select from pg_cast
           where castsource = m.type and casttarget = 'json'::regtype and castmethod = 'f')
    from made_of m join pg_type t on t.oid = m.type where t.typtype <> 'd' or m.depth = 100),
trusting(id, types) as materialized (
  select w.id, pgtide.trusted_types(w.relation) from pgtide.collection w
   where w.id in (select m.id from made m where m.has_cast))
select m.id, m.name, m.shown, m.part, case
    when m.type in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'float4'::regtype,
                    'float8'::regtype, 'numeric'::regtype) then 'number'
    when m.type = 'bool'::regtype then 'boolean'
    when m.type = 'timestamptz'::regtype then 'timestamp'
    when m.type in ('date'::regtype, 'timestamp'::regtype) then 'day'
    when t.typcategory = 'A' and t.typlen = -1 and t.typelem <> 0 then 'list'
    when m.type in ('json'::regtype, 'jsonb'::regtype) or t.typtype = 'c'
      or m.has_cast and m.type = any (g.types) then 'json'
    else 'text' end, m.number
  from made m join pg_type t on t.oid = m.type left join trusting g on g.id = m.id
 order by m.id, m.part)";

// Of the names SCHEMA.TABLE, those of tables that are there. Each is divided at each of its dots
// and looked for by the index: anybody may fill pg_class, and to compare all of it with the names
// would take longer and longer.
constexpr const char* unwatched_sql = R"(
select distinct listed.name
  from unnest($1::text[]) listed(name)
 cross join lateral generate_series(1, length(listed.name)) dot
 cross join lateral (
       select t.oid
         from pg_namespace s join pg_class t on t.relnamespace = s.oid
        where s.nspname = left(listed.name, dot - 1)
          and t.relname = substr(listed.name, dot + 1)
          and t.relkind in ('r', 'p', 'v', 'm', 'f') offset 0) t
 where substr(listed.name, dot, 1) = '.'
   and not exists (select from pgtide.collection w where w.relation = t.oid)
 order by 1)";

// The leader makes no tick while it looks: half a millisecond for each table.
constexpr std::int64_t looked_at_once_max = 200;

ColumnKind kind_of(std::string_view name) {
  using enum ColumnKind;
  for (const auto& [known, kind] : {std::pair{"boolean", boolean},
                                    {"number", number},
                                    {"text", text},
                                    {"timestamp", timestamp},
                                    {"day", day},
                                    {"list", list}}) {
    if (name == known) return kind;
  }
  return json;
}

// As PostgreSQL reads an array of text.
std::string array_text(const std::vector<std::string>& values) {
  std::string text = "{";
  for (const std::string& value : values) {
    if (text.size() > 1) text += ',';
    text += '"';
    for (const char c : value) {
      if (c == '"' || c == '\\') text += '\\';
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

void add_types(std::vector<Collection>& collections, DatabaseSession& session) {
  for (Collection& collection : collections) {
    collection.types.resize(collection.columns.size());
    collection.numbers.resize(collection.columns.size());
  }
  auto collection = collections.begin();
  for (const auto& row : session.run(types_sql)) {
    const auto id = static_cast<std::int32_t>(integer_of(row[0]));
    while (collection != collections.end() && collection->id < id) ++collection;
    if (collection == collections.end()) break;
    if (collection->id != id) continue;
    const auto& columns = collection->columns;
    const auto column = std::find(columns.begin(), columns.end(), text_of(row[1]));
    if (column == columns.end()) continue;
    const auto place = static_cast<std::size_t>(column - columns.begin());
    collection->numbers[place] = static_cast<int>(integer_of(row[5]));
    ColumnType& type = collection->types[place];
    type.name = text_of(row[2]);
    const ColumnKind kind = kind_of(text_of(row[4]));
    switch (integer_of(row[3])) {
      case 0: type.kind = kind; break;
      case 1: type.element = kind; break;
    }
  }
}

// Several statements that must see the same catalog.
class ReadOnly {
 public:
  explicit ReadOnly(DatabaseSession& session) : session_(session) {
    session_.run("begin isolation level repeatable read read only");
  }
  ~ReadOnly() {
    try {
      session_.run("rollback");
    } catch (const std::exception&) {
      // The session is lost; whoever uses it next is told.
    }
  }
  ReadOnly(const ReadOnly&) = delete;
  ReadOnly& operator=(const ReadOnly&) = delete;

 private:
  DatabaseSession& session_;
};

std::vector<Collection> load_collections(DatabaseSession& session) {
  std::vector<Collection> collections;
  for (const auto& row : session.run(collections_sql)) {
    Collection collection;
    collection.id = static_cast<std::int32_t>(integer_of(row[0]));
    collection.name = text_of(row[1]);
    collection.table = text_of(row[2]);
    collection.old_rows = row[3].c_str()[0] == 't';
    collection.fault = text_of(row[4]);
    collections.push_back(std::move(collection));
  }
  auto collection = collections.begin();
  for (const auto& row : session.run(names_sql)) {
    const auto id = static_cast<std::int32_t>(integer_of(row[0]));
    while (collection != collections.end() && collection->id < id) ++collection;
    if (collection == collections.end()) break;
    if (collection->id != id) continue;
    auto& names = integer_of(row[1]) == 0 ? collection->key : collection->columns;
    names.emplace_back(text_of(row[3]));
  }
  add_types(collections, session);
  return collections;
}

std::vector<std::string> load_unwatched(DatabaseSession& session,
                                        const std::vector<std::string>& listed) {
  std::vector<std::string> unwatched;
  if (listed.empty()) return unwatched;
  const auto rows = session.run_with(unwatched_sql, array_text(listed));
  for (const auto& row : rows) unwatched.emplace_back(text_of(row[0]));
  return unwatched;
}

}  // namespace

std::shared_ptr<const Catalog> CatalogLoader::load(DatabaseSession& session,
                                                   const std::vector<std::string>& listed_tables) {
  const ReadOnly at_one_moment(session);
  std::vector<Collection> collections = load_collections(session);
  for (Collection& collection : collections) {
    // What the look found is what it kept, and then what is never kept.
    const auto seen = seen_faults_.find(collection.id);
    if (seen != seen_faults_.end() && seen->second.starts_with(one_line(collection.fault)))
      collection.fault = seen->second;
  }
  std::vector<std::string> unwatched = load_unwatched(session, listed_tables);
  if (loaded_ && collections == collections_ && unwatched == unwatched_) return nullptr;
  loaded_ = true;
  collections_ = collections;
  unwatched_ = unwatched;
  return std::make_shared<const Catalog>(std::move(collections), std::move(unwatched));
}

void CatalogLoader::look(DatabaseSession& session, std::chrono::milliseconds time_max) {
  if (looked_at_once_ == 0) looked_at_once_ = looked_at_once_max;
  const StatementLimit limit(session, time_max);
  Turn turn;
  try {
    begin(turn, session);
    look_at(turn, session);
    looked_at_once_ = std::min(2 * looked_at_once_, looked_at_once_max);
  } catch (const pqxx::sql_error& error) {
    const std::string passed = limit.passed_by(error);
    if (passed.empty()) throw;
    looked_at_once_ = std::max<std::int64_t>(looked_at_once_ / 2, 1);
    throw CaptureFault(ErrorKind::unavailable, "the look at " + turn.name + " " + passed +
                                                   "; it is tried again later");
  }
}

// After a look that failed it goes on all the same, so that one table does not hide the others.
void CatalogLoader::begin(Turn& turn, DatabaseSession& session) {
  const auto some = session.run_with(
      "select coalesce(max(id), 0), count(*), (array_agg(name order by id))[1], "
      "(array_agg(name order by id desc))[1] from (select id, name from pgtide.collection "
      "where id > $1::int order by id limit $2::bigint) next", looked_past_, looked_at_once_)[0];
  turn.past = looked_past_;
  turn.upto = static_cast<std::int32_t>(integer_of(some[0]));
  const std::int64_t count = integer_of(some[1]);
  looked_past_ = count == looked_at_once_ ? turn.upto : 0;
  if (count == 1) turn.name = "collection " + std::string(text_of(some[2]));
  if (count > 1)
    turn.name = "collections " + std::string(text_of(some[2])) + " to " +
                std::string(text_of(some[3]));
}

void CatalogLoader::look_at(const Turn& turn, DatabaseSession& session) {
  seen_faults_.erase(seen_faults_.upper_bound(turn.past), seen_faults_.upper_bound(turn.upto));
  for (const auto& row :
       session.run_with("select collection, wrong, mend from pgtide.look($1::int, $2::int)",
                        turn.past, turn.upto)) {
    std::string& seen = seen_faults_[static_cast<std::int32_t>(integer_of(row[0]))];
    if (!seen.empty()) seen += "; also: ";
    seen += one_line(text_of(row[1])) + "; run: " + one_line(text_of(row[2]));
  }
}

}  // namespace pgtide
