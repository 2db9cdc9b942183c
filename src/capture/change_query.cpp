#include "capture/change_query.hpp"

namespace pgtide {
namespace {

constexpr const char* change_columns =
    "id, at, collection, action, record, old_row, new_row";

// The same selection from each log table, as one.
std::string from_logs(const std::string& columns, const std::string& where) {
  std::string sql;
  for (const char* number : {"0", "1", "2"}) {
    if (!sql.empty()) sql += " union all ";
    sql += "select " + columns + " from pgtide.log" + number + " where " + where;
  }
  return sql;
}

// The batch between $1 and $2 by its two index scans. `late` is a CTE: what ran in $1 and has
// ended in $2. Transactions that still run are not looked for at all, for each of their rows would
// be visited in vain.
std::string batch_between(const std::string& columns, const std::string& extra) {
  return from_logs(columns, "xid >= pg_snapshot_xmax($1::pg_snapshot) "
                            "and xid < pg_snapshot_xmax($2::pg_snapshot) "
                            "and pg_visible_in_snapshot(xid, $2::pg_snapshot)" + extra) +
         " union all " +
         from_logs(columns, "xid = any((select xids from late)::xid8[])" + extra);
}

constexpr const char* late_between =
    "late as materialized (select array(select x from pg_snapshot_xip($1::pg_snapshot) x "
    "where pg_visible_in_snapshot(x, $2::pg_snapshot)) as xids)";

// One by one in the window, by the index on id.
constexpr const char* in_window =
    "id > $3::bigint and id <= $4::bigint and pg_visible_in_snapshot(xid, $2::pg_snapshot) "
    "and not pg_visible_in_snapshot(xid, $1::pg_snapshot)";

constexpr const char* row_bytes =
    "(coalesce(octet_length(old_row::text), 0)::bigint "
    "+ coalesce(octet_length(new_row::text), 0) + coalesce(octet_length(record), 0))";

constexpr const char* printed_at =
    "to_char(at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";

// The changes of CTE `few`, whose rows' texts are withheld past page_bytes_max in total.
std::string few_changes() {
  const std::string fits = "total <= " + std::to_string(page_bytes_max);
  return "select null::text, null::bool, null::bigint, null::int, null::bigint, null::text, "
         "id, collection, action::text, "
         "case when " + fits + " then record end, " + std::string(printed_at) +
         ", case when " + fits + " then old_row::text end, "
         "case when " + fits + " then new_row::text end, not (" + fits + "), false "
         "from (select few.*, sum(" + row_bytes + ") over (order by id) as total from few "
         "where (select count(*) from few) <= " + std::to_string(small_batch_changes_max) +
         ") weighed";
}

// How many there are, and whether the log can be followed. Only rows that were put there by hand,
// or by a dump of another cluster, have an xid that the snapshot which sees them has not reached.
// A transaction that got its xid after that of the tick before has ids above that tick's last one
// (but for what has no row of its own to begin with: that gets its id first).
std::string order_of_few() {
  return std::string("counted as materialized (select found.changes, case when ahead then '") +
         disorder_foreign + "' when snap.last_id < greatest($7::bigint, greatest_id, (select "
         "last_id from before)) or below then '" + disorder_set_back + "' end as disorder "
         "from snap, (select count(*)::int as changes, max(id) as greatest_id, "
         "bool_or(xid >= pg_snapshot_xmax((select snapshot from snap))) as ahead, "
         "bool_or(id <= (select last_id from before) and xid > (select xid from before) "
         "and action in ('c', 'u', 'd')) as below from few) found)";
}

constexpr const char* no_change =
    ", null::bigint, null::int, null::text, null::text, null::text, null::text, null::text, "
    "null::bool, null::bool ";

std::string limit() { return " limit " + std::to_string(small_batch_changes_max + 1); }

}  // namespace

std::string tick_statement(unsigned into, bool with_rows) {
  const std::string table = "pgtide.tick" + std::to_string(into);
  const std::string before = "pgtide.tick" + std::to_string((into + 2) % 3);
  const std::string known = " where n = $1::bigint and nonce = $2::bigint";
  const std::string columns = change_columns + std::string(", xid");
  // In one statement everything sees one snapshot, so what is visible here is in the tick's.
  return "with before as materialized (select last_id, xid from " + table + known +
         " union all select last_id, xid from " + before + known + "), "
         "snap as materialized (select pg_current_snapshot() as snapshot, "
         "exists (select from before) as known, " + last_id_sql + " as last_id, "
         "case when $6::bigint > 0 then setval('pgtide.armed', "
         "extract(epoch from clock_timestamp())::bigint + $6::bigint) end), "
         "late as materialized (select array(select x from pg_snapshot_xip($4::pg_snapshot) x "
         "where pg_visible_in_snapshot(x, snapshot)) as xids from snap), "
         "few as materialized (select * from (" +
         from_logs(columns, "xid >= pg_snapshot_xmax($4::pg_snapshot)") + " union all " +
         from_logs(columns, "xid = any((select xids from late)::xid8[])") + ") found" +
         limit() + "), " + order_of_few() +
         ", made as (insert into " + table + " (n, nonce, snapshot, at, last_id, xid) "
         "select $1::bigint + 1, $3::bigint, snapshot, clock_timestamp(), last_id, "
         "pg_current_xact_id() from snap, counted "
         "where known and disorder is null and changes > 0 returning at, "
         "case when $5::bool and pg_notification_queue_usage() < 0.01 "  // pgtide.queue_has_room()
         "then pg_notify('pgtide_tick', '')::text end) "
         "select snapshot::text, known, (extract(epoch from made.at) * 1000000)::bigint, changes, "
         "last_id, disorder" + no_change + "from counted, snap left join made on true" +
         (with_rows ? " union all " + few_changes() : std::string());
}

std::string stored_tick_statement() {
  return std::string("with ") + late_between + ", few as materialized (select * from (" +
         batch_between(change_columns, " and id > $3::bigint") + ") found" + limit() +
         ") select $2::text, true, 0::bigint, (select count(*) from few)::int, 0::bigint, "
         "null::text" + no_change +
         "union all " + few_changes();
}

std::string unticked_statement() {
  return "select pg_current_snapshot()::text, pgtide.lacks_tick($1::pg_snapshot), "
         "(extract(epoch from clock_timestamp()) * 1000000)::bigint";
}

std::string extent_statement() {
  return std::string("with ") + late_between +
         " select count(*), coalesce(min(id), 0), coalesce(max(id), 0) from (" +
         batch_between("id", " and id > $3::bigint") + ") found";
}

std::string next_id_statement() {
  return std::string("with ") + late_between + " select coalesce(min(id), 0) from (" +
         batch_between("id", " and id > $3::bigint") + ") found";
}

std::string window_statement() {
  return from_logs("id, " + std::string(row_bytes) + " as bytes", in_window) +
         " order by id limit " + std::to_string(weighed_changes_max);
}

std::string named_change_statement(std::uint64_t id) {
  return from_logs("collection, record", "id = " + std::to_string(id));
}

std::string page_statement() {
  const std::string columns = "id, collection, action::text, record, " + std::string(printed_at) +
                              ", old_row::text, new_row::text, false, false";
  return from_logs(columns, in_window) + " order by id";
}

// Equal values of a column are equally long, so that both are kept or neither. In $5 bytes (4 MiB
// at the least) two rows of 1,600 columns (PostgreSQL, appendix K) have room for all values of up
// to 1 KB beside their keys (as long as an index can hold): what is shorter needs no digest.
std::string reduced_change_statement() {
  const auto members = [](const std::string& row, const std::string& is_new) {
    return "select " + is_new + " as is_new, n, key, pg_column_size(value) as bytes, "
           "case when pg_column_size(value) <= $5::bigint then value::text end as whole, "
           "case when pg_column_size(value) > 1024 then '~\"' || encode(sha256(convert_to("
           "value::text, getdatabaseencoding())), 'hex') || '\"' end as digest "
           "from found, json_each(" + row + ") with ordinality as m(key, value, n)";
  };
  const auto row = [](const std::string& name, const std::string& condition) {
    return "case when " + name + " is not null then '{' || coalesce((select string_agg("
           "to_json(key)::text || ':' || case when kept then whole else digest end, ',' "
           "order by n) from weighed where " + condition + "), '') || '}' end";
  };
  return "with found as materialized (" + from_logs(change_columns, in_window) + "), "
         "weighed as materialized (select m.*, sum(bytes) over (order by "
         "key = any (array(select unnest(c.key) from pgtide.collection c, found "
         "where c.id = found.collection)) desc, bytes, key collate \"C\") <= $5::bigint as kept "
         "from (" + members("old_row", "false") + " union all " + members("new_row", "true") +
         ") m) select id, collection, action::text, record, " + std::string(printed_at) + ", " +
         row("old_row", "not is_new") + ", " + row("new_row", "is_new") +
         ", false, true from found";
}

std::string bare_change_statement() {
  return from_logs("id, collection, action::text, record, " + std::string(printed_at) +
                       ", case when action = 'd' then '{}' end, "
                       "case when action in ('c', 'u') then '{}' end, false, true",
                   in_window);
}

}  // namespace pgtide
