-- What runs inside a writer's transaction, and the text of the trigger function of one collection.
--
-- The log's order is the physical order of a record's changes: unique keys are immediate, rows are
-- locked, the sequence caches nothing. Nested statements break that. A user's trigger or function
-- that changes a row which the outer statement has changed as well has its triggers run first, and
-- the log would end with the older version. So a change whose new version is already superseded by
-- one that this transaction has logged gives new ids to the changes that follow from it, along the
-- chain of row versions (a change's old_tid is the new_tid of the one before). Lives of a record
-- are ordered likewise: a create that is still alive comes after every delete.
--
-- Rejected: statement triggers with transition tables (no row that reaches a partition directly, no
-- pairing of old and new when keys change), one function with EXECUTE (0.44 of the commits instead
-- of 0.65), and following the versions in the table itself (needs rights on it).
set search_path = pg_catalog, pg_temp;

-- The log table that holds all that the own transaction has logged; null: it may be in any. Writers
-- that began after the last switch read no other, or rotation would never find the others free. A
-- switch sets `switched` to what no xid reaches before it sets `current`, and to an xid after it:
-- so `current` is read first, and was set before this transaction began where its xid is greater.
create or replace function pgtide.may_be_in() returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  log constant int := pg_sequence_last_value('pgtide.current');
begin
  return case when txid_current() > pg_sequence_last_value('pgtide.switched') then log end;
end $$;

create or replace function pgtide.move(log int, r text, change bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if log = 0 then
    update pgtide.own_log0 set id = nextval('pgtide.change_id')
     where xid = pg_current_xact_id() and record_hash = coalesce(hashtext(r), 1) and id = change;
  elsif log = 1 then
    update pgtide.own_log1 set id = nextval('pgtide.change_id')
     where xid = pg_current_xact_id() and record_hash = coalesce(hashtext(r), 1) and id = change;
  else
    update pgtide.own_log2 set id = nextval('pgtide.change_id')
     where xid = pg_current_xact_id() and record_hash = coalesce(hashtext(r), 1) and id = change;
  end if;
end $$;

-- What the repair does, once for each log table and once for all of them: a statement locks each
-- table that it names, and until the transaction ends.
--
-- follow() gives new ids to the own changes that follow from the row version `version`, in their
-- order, and says whether the last of them is a delete. `low` is the id of the last TRUNCATE: what
-- is older speaks of other rows. repair_*() is what repair() calls.
do $generate$
declare
  place record;
begin
  for place in
    select 'follow' as follow, 'repair_all' as repair, 'pgtide.own_log' as own
    union all
    select format('follow_%s', n), format('repair_%s', n),
           format('(select %s as log, o.* from pgtide.own_log%s o)', n, n)
      from generate_series(0, 2) n
  loop
    execute format($create$
create or replace function pgtide.%1$s(
  c int, r text, version tid, low bigint, moving boolean) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  e record;
begin
  while version is not null loop
    select l.log, l.id, l.new_tid into e from %3$s l
     where l.xid = pg_current_xact_id() and l.record_hash = coalesce(hashtext(r), 1)
       and l.old_tid = version and l.collection = c and l.record = r and l.id > low
       and l.action in ('u', 'd')
     order by l.id desc limit 1;
    if not found then return false; end if;
    if moving then
      perform pgtide.move(e.log, r, e.id);
    end if;
    version := e.new_tid;
  end loop;
  return true;
end $$;

create or replace function pgtide.%2$s(c int, r text, version tid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  low bigint;
  e record;
begin
  select max(l.id) into low from %3$s l
   where l.xid = pg_current_xact_id() and l.record_hash = 0 and l.collection = c
     and l.action in ('t', 's');
  low := coalesce(low, 0);
  if version is not null and not pgtide.%1$s(c, r, version, low, true) then
    return;
  end if;
  -- The record is dead at this point of the log: what lives is a later life of it.
  for e in
    select l.log, l.id, l.new_tid from %3$s l
     where l.xid = pg_current_xact_id() and l.record_hash = coalesce(hashtext(r), 1)
       and l.old_tid is null and l.collection = c and l.record = r and l.action = 'c' and l.id > low
     order by l.id
  loop
    if pgtide.%1$s(c, r, e.new_tid, low, false) then
      perform pgtide.bury(e.log, r, e.id);
    else
      perform pgtide.move(e.log, r, e.id);
      perform pgtide.%1$s(c, r, e.new_tid, low, true);
    end if;
  end loop;
end $$;
$create$, place.follow, place.repair, place.own);
  end loop;
end $generate$;

-- Whether any log table has an own change of record r that follows from this version of it; null: a
-- life of it.
create or replace function pgtide.follows(r text, version tid) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if version is null then
    return exists (select from pgtide.log0 l where l.xid = pg_current_xact_id()
                      and l.record_hash = coalesce(hashtext(r), 1) and l.old_tid is null)
        or exists (select from pgtide.log1 l where l.xid = pg_current_xact_id()
                      and l.record_hash = coalesce(hashtext(r), 1) and l.old_tid is null)
        or exists (select from pgtide.log2 l where l.xid = pg_current_xact_id()
                      and l.record_hash = coalesce(hashtext(r), 1) and l.old_tid is null);
  end if;
  return exists (select from pgtide.log0 l where l.xid = pg_current_xact_id()
                    and l.record_hash = coalesce(hashtext(r), 1) and l.old_tid = version)
      or exists (select from pgtide.log1 l where l.xid = pg_current_xact_id()
                    and l.record_hash = coalesce(hashtext(r), 1) and l.old_tid = version)
      or exists (select from pgtide.log2 l where l.xid = pg_current_xact_id()
                    and l.record_hash = coalesce(hashtext(r), 1) and l.old_tid = version);
end $$;

-- At SERIALIZABLE a look into the log takes predicate locks on pages of its index. They stay for as
-- long as a SERIALIZABLE transaction is open that began before, and are copied when a page splits:
-- the server's table of them would be full, and then every such transaction fails. So there a look
-- is only taken where this transaction has logged something that it could find: a life of the
-- record, or what followed from its own version of it. Each such record sets one of 23 bits, by
-- chance. Before them stand the transaction's low 40 bits, in what currval() of a sequence says: it
-- is the session's own, out of the writer's reach, and read without a lock. Bits stay when a
-- savepoint is rolled back, and all are set where the session has no value yet, or lost it by
-- DISCARD: a look too many, never one too few.
create or replace function pgtide.bit_of(c int, r text) returns bigint
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select 1::bigint << ((hashtext(concat(c, ' ', r)) & 2147483647) % 23)
$$;

-- This transaction's number and bits.
create or replace function pgtide.own_marks() returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  mine constant bigint := txid_current() % 1099511627776;
  seen bigint;
begin
  seen := currval('pgtide.marks');
  return case when seen >> 23 = mine then seen else mine << 23 end;
exception when object_not_in_prerequisite_state then
  return setval('pgtide.marks', (mine << 23) + 8388607);
end $$;

-- Notes that own changes of the record may be what a look finds.
create or replace function pgtide.mark(c int, r text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  seen constant bigint := pgtide.own_marks();
begin
  if seen & pgtide.bit_of(c, r) = 0 then
    perform setval('pgtide.marks', seen | pgtide.bit_of(c, r));
  end if;
end $$;

create or replace function pgtide.is_marked(c int, r text) returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select pgtide.own_marks() & pgtide.bit_of(c, r) <> 0
$$;

-- What comes after a change was logged and looked at, where there is anything: wakes the leader,
-- and at SERIALIZABLE marks what a later look may find. `own`: its old version may be ours.
create or replace function pgtide.finish(c int, r text, own boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if own and current_setting('transaction_isolation') = 'serializable' then
    perform pgtide.mark(c, r);
  end if;
  if (pg_sequence_last_value('pgtide.armed') = 0) is not true then
    perform pgtide.wake();
  end if;
end $$;

-- Called after a change of record r was logged: `version` is its new row version, null for a
-- delete.
create or replace function pgtide.repair(c int, r text, version tid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  log constant int := pgtide.may_be_in();
begin
  if current_setting('transaction_isolation') = 'serializable' and not pgtide.is_marked(c, r) then
    return;
  end if;
  if log = 0 then
    perform pgtide.repair_0(c, r, version);
  elsif log = 1 then
    perform pgtide.repair_1(c, r, version);
  elsif log = 2 then
    perform pgtide.repair_2(c, r, version);
  elsif pgtide.follows(r, version) then
    perform pgtide.repair_all(c, r, version);
  end if;
end $$;

-- A life that is over is never looked at again, or a transaction that creates and deletes one
-- record n times would look n * n times: its create gets an old_tid that no row has.
create or replace function pgtide.bury(log int, r text, change bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if log = 0 then
    update pgtide.own_log0 set old_tid = '(4294967295,0)'
     where xid = pg_current_xact_id() and record_hash = coalesce(hashtext(r), 1) and id = change;
  elsif log = 1 then
    update pgtide.own_log1 set old_tid = '(4294967295,0)'
     where xid = pg_current_xact_id() and record_hash = coalesce(hashtext(r), 1) and id = change;
  else
    update pgtide.own_log2 set old_tid = '(4294967295,0)'
     where xid = pg_current_xact_id() and record_hash = coalesce(hashtext(r), 1) and id = change;
  end if;
end $$;

-- May anybody notify? A transaction that has notified fails at its commit when the server's queue
-- of notifications is full (async.c, PreCommit_Notify), and any role may fill it: by a LISTEN in a
-- transaction that stays open, and by many NOTIFYs. So nobody does once a hundredth of the queue
-- (80 MB of 8 GB; as a rule it is all but empty) is taken; bridges poll meanwhile.
create or replace function pgtide.queue_has_room() returns boolean
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select pg_notification_queue_usage() < 0.01
$$;

-- A notification that nothing depends on.
create or replace function pgtide.tell(channel text, what text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if pgtide.queue_has_room() then
    perform pg_notify(channel, what);
  end if;
end $$;

-- Wakes the leader where it sleeps. Null after a crash, when nobody has set it: wake, unless a
-- NOTIFY could make the writer's PREPARE TRANSACTION fail.
create or replace function pgtide.wake() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  lease bigint := pg_sequence_last_value('pgtide.armed');
begin
  if (lease > extract(epoch from clock_timestamp())
      or lease is null and current_setting('max_prepared_transactions') = '0')
     and pgtide.queue_has_room() then
    perform pg_notify('pgtide_wake', '');
  end if;
end $$;

-- Logs one change. The generated functions do this in their own text; here it is for the rare ones.
-- The transaction has an xid before it reads which table is current: rotation rests on that, and
-- the wake-up on the insert coming before the read of `armed`.
create or replace function pgtide.append(
  c int, act "char", r text, hash int, was tid, becomes tid, o json, n json) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  log bigint;
begin
  perform pg_current_xact_id();
  log := pg_sequence_last_value('pgtide.current');
  if log = 0 then
    insert into pgtide.log0 (collection, action, record, record_hash, old_tid, new_tid, old_row,
      new_row) values (c, act, r, hash, was, becomes, o, n);
  elsif log = 1 then
    insert into pgtide.log1 (collection, action, record, record_hash, old_tid, new_tid, old_row,
      new_row) values (c, act, r, hash, was, becomes, o, n);
  else
    insert into pgtide.log2 (collection, action, record, record_hash, old_tid, new_tid, old_row,
      new_row) values (c, act, r, hash, was, becomes, o, n);
  end if;
  if (pg_sequence_last_value('pgtide.armed') = 0) is not true then
    perform pgtide.wake();
  end if;
end $$;

-- An update of the key: the record of the old key ends, one of the new key begins.
create or replace function pgtide.rename_record(
  c int, was text, r text, old_version tid, new_version tid, o json, n json,
  repairing boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pgtide.append(c, 'd', was, coalesce(hashtext(was), 1), old_version, null, o, null);
  if repairing then
    perform pgtide.repair(c, was, null);
  end if;
  perform pgtide.append(c, 'c', r, coalesce(hashtext(r), 1), null, new_version, null, n);
  if repairing then
    perform pgtide.repair(c, r, new_version);
  end if;
  if current_setting('transaction_isolation') = 'serializable' then
    perform pgtide.mark(c, was);
    perform pgtide.mark(c, r);
  end if;
end $$;

-- The files of a table and its partitions, told by few bytes as the log has them to spare.
create or replace function pgtide.files_mark(filenode oid, filenodes oid[]) returns tid
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('(%s,1)', hashtext(concat(filenode, filenodes))::bigint & 4294967295)::tid
$$;

-- TRUNCATE fires the trigger of the table ("root") and of each partition. A partition that is
-- emptied alone is told as schema_changed, unless nothing was logged since the collection was
-- emptied anyhow. A detached partition keeps its trigger, which then says nothing.
create or replace function pgtide.log_truncate(c int, place text, emptied oid) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  last_action "char";
begin
  if place = 'partition' then
    if not coalesce((select relispartition from pg_class where oid = emptied), false) then
      return;
    end if;
    execute format('select l.action from pgtide.own_log%s l where l.xid = pg_current_xact_id() '
                   'and l.collection = %s order by l.id desc limit 1', pgtide.may_be_in(), c)
       into last_action;
    if last_action in ('t', 's') then return; end if;
  end if;
  -- What is emptied is on new files, and a look that finds just these knows that all is told.
  perform pgtide.append(c, (case place when 'root' then 't' else 's' end)::"char", null, 0, null,
    (select pgtide.files_mark(t.relfilenode, p.filenodes)
       from pg_class t, pgtide.partitions_of(t.oid) p
      where t.oid = case place when 'root' then emptied else (
              select a.relid from pg_partition_ancestors(emptied) a
                join pg_trigger g on g.tgrelid = a.relid and g.tgname = '!pgtide_truncate'
               where g.tgfoid = to_regprocedure(format('pgtide.truncate_%s()', c))
                 and g.tgargs = convert_to('root', 'UTF8') || decode('00', 'hex')
               limit 1) end), null, null);
end $$;

-- The INSERT into the current log table, in static branches: EXECUTE costs a third of the commits.
-- `then_look`: what comes after it, in which %1$s is the table's number.
drop function if exists pgtide.insert_source(int, text, text, text, text, text) cascade;
create or replace function pgtide.insert_source(c int, act text, was_tid text, now_tid text,
                                                o text, n text, then_look text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format($x$
    if pg_sequence_last_value('pgtide.current') = 0 then%s
    elsif pg_sequence_last_value('pgtide.current') = 1 then%s
    else%s
    end if;$x$, i.line[1], i.line[2], i.line[3])
  from (select array_agg(format($x$
      insert into pgtide.log%s (collection, action, record, record_hash, old_tid, new_tid, old_row,
        new_row) values (%s, %L, rec, coalesce(hashtext(rec), 1), %s, %s, %s, %s);%s$x$,
    log, c, act, was_tid, now_tid, o, n, format(then_look, log)) order by log) as line
    from generate_series(0, 2) log) i
$$;

-- The look for own changes that should come later, in the table that was current just now if the
-- transaction can have written no other (may_be_in, in the text) and is not SERIALIZABLE.
-- `condition` is about old_tid: the version they follow from, or null for a later life.
create or replace function pgtide.repair_source(c int, condition text, version text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format($x$
      if txid_current() > pg_sequence_last_value('pgtide.switched')
         and current_setting('transaction_isolation') <> 'serializable' then
        if exists (select from pgtide.log%%1$s l where l.xid = pg_current_xact_id()
                    and l.record_hash = coalesce(hashtext(rec), 1) and l.old_tid %1$s) then
          perform pgtide.repair_%%1$s(%2$s, rec, %3$s);
        end if;
      else
        perform pgtide.repair(%2$s, rec, %3$s);
      end if;$x$, condition, c, version)
$$;

-- The source of the trigger function of one collection. `repairing` is for the test that sees the
-- order go wrong without the repair.
--
-- In a transaction of one row each PL/pgSQL expression costs about a point of the commits, and one
-- that holds a query costs a query, whatever stands before an `and` in it. PL/pgSQL prepares an
-- expression anew in each transaction, and every function that it names costs, called or not. So
-- there are few of both; conditions that spare a query, or that are seldom asked, have an IF of
-- their own; and the guard (sql/02_types.sql) is part of the expression that it comes before, and
-- leaves to the planner what it can. A row that is not as the guard knows rows has no record id and
-- raises: the handler writes it the slow way, or not at all where the trigger is on a relation that
-- the function does not serve.
-- The first of all is whether the function runs as the role that it was written for: from a dump it
-- may have come with another owner, a superuser, who must not run anything of it. It has an IF of
-- its own and names nothing of this schema, for the planner runs functions of the guard before the
-- guard is asked, unless it finds the log to be another one.
-- No value is longer than a gigabyte, so that two sizes fit into an int.
create or replace function pgtide.capture_source(c int, repairing boolean default true) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $outer$
declare
  t pgtide.collection;
  trusted oid[];
  plain boolean;      -- equal key values have equal texts, so that <> may decide
  new_key record;
  old_key record;
  new_row text := 'to_json(new)';
  old_row text := 'to_json(old)';
  key_changes text;
  superseded text := '';
  later_life text := '';
  written text;
  stand text;         -- that composites have the columns still which the text names
begin
  select * into strict t from pgtide.collection where id = c;
  select w.trusted, ' and ' || pgtide.columns_stand(pgtide.named_within(w.kinds, w.trusted))
    into trusted, stand from pgtide.types_within(t.relation) w;
  select bool_and(a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                                 'uuid'::regtype)),
         string_agg(format('old.%I <> new.%I', k.col, k.col), ' or ' order by k.n)
    into plain, key_changes
    from unnest(t.key) with ordinality k(col, n)
    join pg_attribute a on a.attrelid = t.relation and a.attname = k.col;
  select coalesce(k.id, 'null') as id, coalesce(k.object, 'null::json') as object into new_key
    from pgtide.key_source('new', t.relation, t.key, trusted) k;
  select coalesce(k.id, 'null') as id, coalesce(k.object, 'null::json') as object into old_key
    from pgtide.key_source('old', t.relation, t.key, trusted) k;
  if not plain then
    -- The column's collation may take different texts for equal.
    key_changes := format('(%s) collate "C" <> rec', old_key.id);
  end if;
  if not pgtide.is_trusted(t.relation, trusted) then
    new_row := pgtide.row_source('new', t.relation, trusted);
    old_row := pgtide.row_source('old', t.relation, trusted);
  end if;
  if repairing then
    superseded := format($x$
    if new.xmax <> '0' then%s
    end if;$x$, pgtide.repair_source(c, '= new.ctid', 'new.ctid'));
    later_life := pgtide.repair_source(c, 'is null', 'null');
  end if;
  written := 'pgtide.written(tg_relid, ' || quote_literal(t.key::text) || ', '
             || quote_literal(trusted::text) || ', ';
  return format($body$
declare
  rec text;
  was text;  -- the old record id where the key changes
  o json;
  n json;
begin
  if not current_user = %21$L then
    return null;
  elsif tg_op = 'UPDATE' then
    -- An update that changes nothing is not logged, unless the version before it may be of this
    -- very transaction: a chain of versions must not have a gap.
    if old *= new then
      if age(old.xmin) > 0 then return null; end if;
    end if;
    begin
      rec := case when %1$s then %2$s end;
      n := case when rec is not null then %8$s end;%7$s
      if (pg_column_size(n)%9$s <= 536870912) is not true then
        if n is null then raise no_data_found; end if;
        o := null;
        n := null;
      end if;
      if %4$s then was := %5$s;%6$s end if;
    exception when others then
      %3$s
      select w.id, w.doc into rec, n from %10$s;
      select w.id, w.%11$s into was, o from %12$s;
      if was is not distinct from rec then was := null;%13$s end if;
      if pg_column_size(n) + pg_column_size(o) > 536870912 then
        o := null; n := null;
      end if;
    end;
    if was is not null then
      perform pgtide.rename_record(%14$s, was, rec, old.ctid, new.ctid, o, n, %15$s);
      return null;
    end if;%16$s
  elsif tg_op = 'INSERT' then
    begin
      rec := case when %1$s then %2$s end;
      n := case when rec is not null then %8$s end;
      if (pg_column_size(n) <= 536870912) is not true then
        if n is null then raise no_data_found; end if;
        n := null;
      end if;
    exception when others then
      %3$s
      select w.id, w.doc into rec, n from %10$s;
    end;%17$s
  else
    begin
      rec := case when %18$s then %5$s end;
      o := case when rec is not null then %19$s end;
      if (pg_column_size(o) <= 536870912) is not true then
        if o is null then raise no_data_found; end if;
        o := null;
      end if;
    exception when others then
      %3$s
      select w.id, w.%11$s into rec, o from %12$s;
    end;%20$s
  end if;
  if (pg_sequence_last_value('pgtide.armed') = 0
      and current_setting('transaction_isolation') <> 'serializable') is not true then
    perform pgtide.finish(%14$s, rec, case when tg_op = 'INSERT' then true
                                           else age(old.xmin) <= 0 end);
  end if;
  return null;
end $body$,
    concat(pgtide.guard_source('new', t.relation), stand), new_key.id,
    format('if not (%s and pgtide.serves(%L, tg_relid)) then return null; end if;',
           pgtide.home_source(true), t.relation),
    key_changes,
    old_key.id,
    case when t.old_rows then '' else format(' o := %s;', old_key.object) end,
    case when t.old_rows then format('
      o := case when rec is not null then %s end;', old_row) else '' end, new_row,
    case when t.old_rows then ' + pg_column_size(o)' else '' end,
    written || 'new) w', case when t.old_rows then 'doc' else 'key_doc' end,
    written || 'old) w', case when t.old_rows then '' else ' o := null;' end,
    c, repairing::text,
    pgtide.insert_source(c, 'u', 'old.ctid', 'new.ctid', 'o', 'n', superseded),
    pgtide.insert_source(c, 'c', 'null', 'new.ctid', 'null', 'n', superseded),
    concat(pgtide.guard_source('old', t.relation), stand),
    case when t.old_rows then old_row else old_key.object end,
    pgtide.insert_source(c, 'd', 'old.ctid', 'null', 'o', 'null', later_life),
    pgtide.runs_as());
end $outer$;
