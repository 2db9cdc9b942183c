#include "capture/catalog_loader.hpp"

#include <utility>

#include "capture/change_row.hpp"

namespace pgtide {
namespace {

// Arrays travel as one element per row: (collection, which array, place).
constexpr const char* collections_sql =
    "select id, name, table_schema || '.' || table_name, old_rows from pgtide.collection "
    "order by id";
constexpr const char* names_sql =
    "select id, 0, n, c from pgtide.collection, unnest(key) with ordinality as k(c, n) union all "
    "select id, 1, n, c from pgtide.collection, unnest(columns) with ordinality as k(c, n) "
    "order by 1, 2, 3";

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

std::vector<Collection> load_collections(DatabaseSession& session) {
  std::vector<Collection> collections;
  for (const auto& row : session.run(collections_sql)) {
    Collection collection;
    collection.id = static_cast<std::int32_t>(integer_of(row[0]));
    collection.name = text_of(row[1]);
    collection.table = text_of(row[2]);
    collection.old_rows = row[3].c_str()[0] == 't';
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
  // Watched between the two statements; the next load has them whole.
  std::erase_if(collections, [](const Collection& found) { return found.key.empty(); });
  return collections;
}

std::vector<std::string> load_unwatched(DatabaseSession& session,
                                        const std::vector<std::string>& listed) {
  std::vector<std::string> unwatched;
  if (listed.empty()) return unwatched;
  const auto rows = session.run_with(
      "select s.nspname || '.' || t.relname from pg_class t "
      "join pg_namespace s on s.oid = t.relnamespace "
      "where s.nspname || '.' || t.relname = any($1::text[]) and t.relkind in ('r', 'p', 'v', 'm', "
      "'f') and not exists (select from pgtide.collection w where w.relation = t.oid) order by 1",
      array_text(listed));
  for (const auto& row : rows) unwatched.emplace_back(text_of(row[0]));
  return unwatched;
}

}  // namespace

std::shared_ptr<const Catalog> CatalogLoader::load(DatabaseSession& session,
                                                   const std::vector<std::string>& listed_tables) {
  std::vector<Collection> collections = load_collections(session);
  for (const auto& [id, fault] : faults_)
    for (Collection& collection : collections)
      if (collection.id == id) collection.fault = fault;
  std::vector<std::string> unwatched = load_unwatched(session, listed_tables);
  if (loaded_ && collections == collections_ && unwatched == unwatched_) return nullptr;
  loaded_ = true;
  collections_ = collections;
  unwatched_ = unwatched;
  return std::make_shared<const Catalog>(std::move(collections), std::move(unwatched));
}

void CatalogLoader::look(DatabaseSession& session) {
  faults_.clear();
  for (const auto& row : session.run("select collection, wrong, mend from pgtide.look()"))
    faults_.emplace_back(static_cast<std::int32_t>(integer_of(row[0])),
                         std::string(text_of(row[1])) + "; run: " + std::string(text_of(row[2])));
}

}  // namespace pgtide
