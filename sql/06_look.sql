-- The leader's look at the watched tables, every 30 seconds, and `pgtide status`.
--
-- A table may have been rewritten, swapped for another, or left without its triggers for a while;
-- what clients know of it is stale then, and an `s` in the log tells them so. Nothing is written
-- while nothing has changed.
set search_path = pg_catalog, pg_temp;

-- The table of this name, or null. to_regclass() would raise where the caller lacks USAGE on the
-- schema, which the look does not need.
create or replace function pgtide.find_table(table_schema text, table_name text) returns regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select t.oid::regclass from pg_class t join pg_namespace s on s.oid = t.relnamespace
   where s.nspname = $1 and t.relname = $2
$$;

-- As one word of a command for a POSIX shell: whoever may name a table does not write commands that
-- an operator pastes.
create or replace function pgtide.shell_word(word text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when word ~ '^[A-Za-z0-9_./,:@%+=-]+$' then word
              else '''' || replace(word, '''', '''' || chr(92) || '''''') || '''' end
$$;

-- The columns of a key as `pgtide watch --key` reads them.
create or replace function pgtide.key_option(key text[]) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select string_agg(case when k ~ '[",]' then '"' || replace(k, '"', '""') || '"' else k end, ','
                    order by n) from unnest(key) with ordinality u(k, n)
$$;

-- The command that watches a collection's table as it was watched. `named`: with the collection's
-- name in any case.
drop function if exists pgtide.watch_command(pgtide.collection) cascade;
create or replace function pgtide.watch_command(c pgtide.collection, named boolean default false)
returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select 'pgtide watch ' || pgtide.shell_word(format('%I.%I', c.table_schema, c.table_name))
    || case when named or c.name <> c.table_name then ' --as ' || pgtide.shell_word(c.name)
            else '' end
    || case when c.key_given then ' --key=' || pgtide.shell_word(pgtide.key_option(c.key))
            else '' end
    || case when c.ignore_rls then ' --ignore-rls' else '' end
    || case when c.old_rows then '' else ' --without-old-rows' end
$$;

-- What is wrong with the triggers of a collection's table; null: nothing.
create or replace function pgtide.trigger_fault(c pgtide.collection) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case
    when g.oid is null and w.tgname = '!pgtide' then format('table %s lacks its trigger', r.relid)
    when g.oid is null then format('table %s lacks its trigger for TRUNCATE', r.relid)
    when g.tgenabled <> 'A' and w.tgname = '!pgtide'
      then format('the trigger of table %s is not ENABLE ALWAYS', r.relid)
    else format('the trigger of table %s for TRUNCATE is not ENABLE ALWAYS', r.relid) end
    from (select c.relation::regclass as relid, true as root
          union all
          select p::regclass, false from pgtide.partitions_below(c.relation) p) r
   cross join (values ('!pgtide'::name, format('capture_%s', c.id)),
                      ('!pgtide_truncate', format('truncate_%s', c.id))) w(tgname, called)
    -- For 10,000 tables in seconds: by the index, where a plain join reads all triggers of the
    -- database for each table, and without to_regprocedure(), whose cache of names is a list.
    left join lateral (
      select t.oid, t.tgenabled from pg_trigger t join pg_proc p on p.oid = t.tgfoid
       where t.tgrelid = r.relid and t.tgname = w.tgname and pgtide.is_whole(t)
         and p.proname = w.called and p.pronamespace = 'pgtide'::regnamespace offset 0) g on true
   where (g.oid is null or g.tgenabled <> 'A')
         -- A partition that came later has no trigger for TRUNCATE; its filenode tells.
     and not (g.oid is null and not r.root and w.tgname = '!pgtide_truncate')
   order by r.root desc, w.tgname limit 1
$$;

-- What gives a collection's table its key again, where check_key() refuses it.
create or replace function pgtide.key_mend(c pgtide.collection) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  cols text;
  nullable text;
  unproven name;
  named name;
begin
  select string_agg(quote_ident(a.attname), ', ' order by k.n),
         string_agg(format('ALTER COLUMN %I SET NOT NULL', a.attname), ', ' order by k.n)
           filter (where not a.attnotnull),
         min(u.conname)
    into cols, nullable, unproven
    from unnest(c.key_columns) with ordinality k(col, n)
    join pg_attribute a on a.attrelid = c.relation and a.attnum = k.col and not a.attisdropped
    left join pg_constraint u on u.conrelid = a.attrelid and u.contype = 'n'
                             and u.conkey = array[a.attnum] and not u.convalidated
  having count(*) = cardinality(c.key_columns)
     and (pgtide.unfit_key_column(c.relation, c.key_columns)).col is null;
  if cols is null then
    return 'pgtide unwatch ' || pgtide.shell_word(c.name);
  end if;
  select k.conname into named from pg_constraint k
   where k.conrelid = c.relation and k.contype = 'p';
  return case
    when not c.key_given and named is null
      then format('ALTER TABLE %s ADD PRIMARY KEY (%s);', c.relation::regclass, cols)
    when not c.key_given
      then format('ALTER TABLE %s DROP CONSTRAINT %I, ADD PRIMARY KEY (%s);',
                  c.relation::regclass, named, cols)
    when nullable is not null then format('ALTER TABLE %s %s;', c.relation::regclass, nullable)
    when unproven is not null
      then format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', c.relation::regclass, unproven)
    else format('CREATE UNIQUE INDEX ON %s (%s);', c.relation::regclass, cols) end;
end $$;

-- What is wrong with a collection and how to mend it; null: nothing. Reads only. Here and in seen()
-- the catalog is read by its indexes, whatever others have put there (own_objects() says why).
create or replace function pgtide.fault(c pgtide.collection, out wrong text, out mend text)
language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  t pg_class;
  named regclass := pgtide.find_table(c.table_schema, c.table_name);
  named_owner name;
  cols int2[];
begin
  mend := pgtide.watch_command(c);
  select * into t from pg_class where oid = c.relation;
  if t.oid is null and named is null then
    wrong := format('table %I.%I is gone', c.table_schema, c.table_name);
    mend := 'pgtide unwatch ' || pgtide.shell_word(c.name);
  elsif pgtide.runs_whole(c.id) is false then
    wrong := format('no change of table %s is logged: its functions do not run as role %I, as '
                    'after a dump was restored where that role is not, or by who may not give '
                    'them to it', coalesce(named, t.oid::regclass), pgtide.runs_as());
    mend := 'pgtide install';
  elsif named is not null and named <> c.relation then
    wrong := format('table %s is not the one that is watched: it was dropped and made anew, '
                    'restored or swapped', named);
    select r.rolname into named_owner from pg_class k join pg_roles r on r.oid = k.relowner
     where k.oid = named;
    if named_owner <> c.table_owner then
      wrong := format('table %s of role %I is not the one that is watched, which %s; to hand it '
                      'the collection: %s', named, named_owner,
                      case when t.oid is null then format('belonged to role %I', c.table_owner)
                           else format('belongs to role %I and is called %s now', c.table_owner,
                                       t.oid::regclass) end, pgtide.watch_command(c, true));
      mend := 'pgtide unwatch ' || pgtide.shell_word(c.name);
      if t.oid is not null then
        c.table_name := t.relname;
        c.table_schema := (select s.nspname from pg_namespace s where s.oid = t.relnamespace);
        mend := pgtide.watch_command(c);
      end if;
    end if;
  else
    wrong := pgtide.trigger_fault(c);
    if wrong is null and t.relrowsecurity and not c.ignore_rls then
      wrong := format('table %s has row-level security now, which pgtide does not consult',
                      t.oid::regclass);
      mend := mend || ' --ignore-rls';
    elsif wrong is null then
      begin
        cols := pgtide.check_key(t.oid, case when c.key_given then (
          select array_agg(a.attname::text order by k.n)
            from unnest(c.key_columns) with ordinality k(col, n)
            join pg_attribute a on a.attrelid = t.oid and a.attnum = k.col and not a.attisdropped)
          end);
        if cols <> c.key_columns then
          wrong := format('table %s has another primary key now', t.oid::regclass);
        end if;
      exception when others then
        wrong := sqlerrm;
        mend := pgtide.key_mend(c);
      end;
    end if;
    if wrong is null then
      -- What watch() would refuse, and came later.
      select format('table %s cannot be watched: it %s', t.oid::regclass, o.why),
             coalesce(o.mend, 'pgtide unwatch ' || pgtide.shell_word(c.name)) into wrong, mend
        from pgtide.obstacle(t) o where o.why is not null;
    end if;
  end if;
  if wrong is null then mend := null; end if;
end $$;

-- The table of a collection as it is now: oid, names, columns, filenodes and triggers.
create or replace function pgtide.seen(c pgtide.collection) returns pgtide.collection
language plpgsql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
declare
  named regclass := pgtide.find_table(c.table_schema, c.table_name);
  called constant regprocedure := pgtide.own_function(format('capture_%s', c.id));
begin
  -- After a dump was restored the table has another oid, which may be another table's there, and
  -- still its triggers. A stranger's table is not taken for it.
  if named is not null and named <> c.relation
     and exists (select from pg_trigger where tgrelid = named and tgname = '!pgtide'
                   and tgfoid = called)
     and not exists (select from pg_trigger where tgrelid = c.relation and tgname = '!pgtide'
                       and tgfoid = called)
     and c.table_owner is not distinct from coalesce((
           select r.rolname from pg_class t join pg_roles r on r.oid = t.relowner
            where t.oid = named and c.table_owner is not null), c.table_owner) then
    c.relation := named;
  end if;
  if not exists (select from pg_class where oid = c.relation) then
    c.guard := '';
    return c;
  end if;
  if named is null then
    select s.nspname, t.relname into c.table_schema, c.table_name
      from pg_class t join pg_namespace s on s.oid = t.relnamespace where t.oid = c.relation;
  end if;
  select coalesce(array_agg(a.attname::text order by k.n), c.key) into c.key
    from unnest(c.key_columns) with ordinality k(col, n)
    join pg_attribute a on a.attrelid = c.relation and a.attnum = k.col and not a.attisdropped;
  c.columns := pgtide.columns_of(c.relation);
  c.guard := pgtide.guard_of(c.id, c.relation);
  c.shape := pgtide.shape_of(c.relation);
  c.labels := pgtide.labels_of(c.relation);
  select t.relfilenode, r.rolname into c.filenode, c.table_owner
    from pg_class t join pg_roles r on r.oid = t.relowner where t.oid = c.relation;
  select p.partitions, p.filenodes into c.partitions, c.filenodes
    from pgtide.partitions_of(c.relation) p;
  return c;
end $$;

-- Whether a label that rows may have had is there no longer; those that were added are no news.
create or replace function pgtide.lost_label(was pgtide.collection, is_now pgtide.collection)
returns boolean language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return was.labels <> is_now.labels
     and exists (select from unnest(was.labels) l
                  where l not in (select n from unnest(is_now.labels) n));
end $$;

-- Whether the two differ by what TRUNCATE changes only, and the log knows of one since that left
-- the files which are there now: after another one the table was rewritten.
create or replace function pgtide.truncated_only(was pgtide.collection, is_now pgtide.collection)
returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
  select row(was.relation, was.key, was.columns, was.partitions, was.guard, was.shape)
           is not distinct from row(is_now.relation, is_now.key, is_now.columns,
                                    is_now.partitions, is_now.guard, is_now.shape)
     and exists (select from pgtide.log l where l.collection = was.id and l.record_hash = 0
                    and l.action in ('t', 's') and l.at > was.looked_at
                      and l.new_tid = pgtide.files_mark(is_now.filenode, is_now.filenodes))
$$;

-- Keeps what was seen of a collection, writes its function anew where columns, their types or who
-- is trusted with them have changed, and logs an `s` where clients must read anew.
drop function if exists pgtide.record_look(pgtide.collection, pgtide.collection, text) cascade;
create or replace function pgtide.record_look(was pgtide.collection, is_now pgtide.collection)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if is_now.reported is distinct from was.reported and is_now.reported is not null
     or pgtide.lost_label(was, is_now)
     or row(was.relation, was.key, was.columns, was.filenode, was.filenodes, was.partitions,
            was.guard, was.shape)
        is distinct from row(is_now.relation, is_now.key, is_now.columns, is_now.filenode,
                             is_now.filenodes, is_now.partitions, is_now.guard, is_now.shape)
        and not pgtide.truncated_only(was, is_now) then
    perform pgtide.mark_changed(was.id);
  end if;
  update pgtide.collection w
     set relation = is_now.relation, table_schema = is_now.table_schema,
         table_name = is_now.table_name, key = is_now.key, columns = is_now.columns,
         filenode = is_now.filenode, filenodes = is_now.filenodes, partitions = is_now.partitions,
         guard = is_now.guard, reported = is_now.reported, table_owner = is_now.table_owner,
         beside = is_now.beside, labels = is_now.labels, looked_at = clock_timestamp()
   where w.id = was.id;
  if is_now.key <> was.key or is_now.relation <> was.relation or is_now.shape <> was.shape
     or is_now.partitions <> was.partitions then
    perform pgtide.regenerate(was.id);
    -- As it was seen, not as it is by now: what changed in between is told by the next look.
    update pgtide.collection w set shape = is_now.shape where w.id = was.id;
  end if;
end $$;

-- The faults of the schema that a look tells, and how many more there are.
create or replace function pgtide.told_faults() returns table (wrong text, mend text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with f as materialized (
    select f.wrong, f.mend, row_number() over () as n from pgtide.schema_faults() f)
  select f.wrong, f.mend from f where n <= 10
  union all
  select format('there are %s more faults of schema pgtide', count(*)), 'pgtide status'
    from f where n > 10 having count(*) > 0
$$;

-- Looks at the watched tables: a row for each that is wrong, with the command that mends it. Where
-- there are very many the leader looks at some of them at a time, those of past < id <= upto, since
-- it makes no tick meanwhile: a table takes half a millisecond.
drop function if exists pgtide.look() cascade;
create or replace function pgtide.look(past int default 0, upto int default 2147483647)
returns table (collection int, name text, wrong text, mend text)
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  was pgtide.collection;
  is_now pgtide.collection;
  writing boolean;  -- null: nothing was to be written so far
  others json;  -- the schema's faults
begin
  for was in select * from pgtide.collection where id > past and id <= upto order by id loop
    -- What fails of one table must not keep the others from being looked at.
    begin
      is_now := pgtide.seen(was);
      select f.wrong, f.mend into look.wrong, look.mend from pgtide.fault(is_now) f;
    exception when others then
      is_now := was;
      look.wrong := format('table %I.%I cannot be looked at: %s', was.table_schema,
                           was.table_name, sqlerrm);
      look.mend := pgtide.watch_command(was);
    end;
    is_now.reported := look.wrong || '; run: ' || look.mend;
    -- What is wrong with the schema itself is told beside the first table. Strangers can make such
    -- faults, as many as they like, and none of them is news for a collection's subscribers.
    others := null;
    if not exists (select from pgtide.collection where id < was.id) then
      select json_agg(f) into others from pgtide.told_faults() f;
    end if;
    select string_agg(f.wrong || '; run: ' || f.mend, '; also: ') into is_now.beside
      from json_to_recordset(others) f(wrong text, mend text);
    if is_now is distinct from was and writing is null then
      writing := pgtide.try_watch_turn();  -- false: a `watch` is at work; then keep nothing
    end if;
    if is_now is distinct from was and writing
       and exists (select from pgtide.collection w
                    where w.id = was.id and w is not distinct from was) then
      begin
        perform pgtide.record_look(was, is_now);
      exception when others then
        -- What is wrong with the table is why, where there is anything, and has the mend.
        if look.wrong is null then
          look.wrong := format('the function of table %I.%I cannot be written: %s',
                               was.table_schema, was.table_name, sqlerrm);
          look.mend := case when pgtide.runs_whole(was.id) is false then 'pgtide install'
                            else pgtide.watch_command(was) end;
        end if;
        -- Followers read it there. No news for subscribers: what has changed is told when the
        -- function is written.
        update pgtide.collection w set reported = look.wrong || '; run: ' || look.mend
         where w.id = was.id and w.reported is distinct from look.wrong || '; run: ' || look.mend;
      end;
    end if;
    if look.wrong is not null then
      look.collection := was.id;
      look.name := was.name;
      return next;
    end if;
    return query select was.id, was.name, f.wrong, f.mend
                   from json_to_recordset(others) f(wrong text, mend text);
    -- These are not kept: a stranger would have clients read anew, as often as it likes. They have
    -- rows of their own, or whoever owns the first table could hide them behind a fault of it.
    if not exists (select from pgtide.collection where id < was.id) then
      return query select was.id, was.name, f.wrong, f.mend from pgtide.foreign_locks() f limit 10;
    end if;
    if not writing then
      return query
        select was.id, was.name,
               format('what has changed of it cannot be kept: %s has had the turn to watch, '
                      'unwatch or install for more than %s', h.who, p.patience),
               format('SELECT pg_terminate_backend(%s);', h.pid)
          from pgtide.patience() p(patience), pgtide.holders_of_turn(p.patience) h limit 1;
    end if;
  end loop;
end $$;

-- The bridges at work. Each shows a sign of what it does, an advisory lock of the class 'tide' in
-- ASCII (it leads) or the next one (it follows), under a number that it draws by lot. Every role of
-- the server may take such locks; so one counts only where the role behind it is a member of the
-- schema's owner, nobody ever waits for one, and a taken number is no loss. Who leads is decided
-- under a lock on a row, which is out of others' reach: by take_lead().
--
-- Rejected: constant keys (any role that may connect takes them, and no bridge leads); a lock on a
-- table for as long as a bridge leads, which is a transaction for as long, so another connection.
do $$
begin
  if to_regclass('pgtide.lock_holder') is not null then
    perform pgtide.alter_patiently('pgtide.lock_holder',
                                   'drop view pgtide.lock_holder cascade');
  end if;
  if to_regclass('pgtide.leadership') is not null then
    perform pgtide.alter_patiently('pgtide.leadership',
                                   'drop table pgtide.leadership cascade');
  end if;
end $$;
select pgtide.put_view('pgtide.bridge', '', $$
  select l.pid, l.classid = 1953064037 as leads
    from pg_locks l
    join pg_database here on here.oid = l.database and here.datname = current_database()
    join pg_namespace n on n.nspname = 'pgtide'
    join pg_stat_activity a on a.pid = l.pid
   where l.locktype = 'advisory' and l.granted and l.mode = 'ExclusiveLock' and l.objsubid = 2
     and l.classid in (1953064037, 1953064038)
     and pg_has_role(a.usesysid, n.nspowner, 'MEMBER') $$);

create or replace function pgtide.show_sign(class int) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform pg_advisory_unlock_all();
  for i in 1..100 loop
    if pg_try_advisory_lock(class, (random() * 2000000000)::int) then return; end if;
  end loop;
  raise exception 'a hundred numbers drawn by lot were all taken' using errcode = '55P03';
end $$;

-- Makes this session's bridge the leader, where there is none; false: there is, or another one
-- decides at this moment.
create or replace function pgtide.take_lead() returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not pgtide.try_turn('lead') or exists (select from pgtide.bridge where leads) then
    return false;
  end if;
  perform pgtide.show_sign(1953064037);
  return true;
end $$;

-- Are there committed changes that no tick has? With a leader at work, for a few milliseconds only.
-- `searched`: a snapshot in which there were none; null: the last tick's.
drop function if exists pgtide.lacks_tick() cascade;
create or replace function pgtide.lacks_tick(searched pg_snapshot default null) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  searched := coalesce(searched, (select snapshot from pgtide.tick order by n desc limit 1));
  return exists (select from pgtide.log l where l.xid >= pg_snapshot_xmax(searched))
      or exists (select from pgtide.log l where l.xid = any (array(
                   select x from pg_snapshot_xip(searched) x
                    where pg_visible_in_snapshot(x, pg_current_snapshot()))));
end $$;

-- Keeps that changes of a collection were skipped. By the leader.
create or replace function pgtide.note_skipped(id int, changes bigint, newest text) returns void
language sql set search_path = pg_catalog, pg_temp as $$
  insert into pgtide.skipped as s (collection, changes, newest) values ($1, $2, left($3, 500))
    on conflict (collection) do update
       set changes = case when s.at > excluded.at - interval '1 hour' then s.changes else 0 end
                     + excluded.changes, newest = excluded.newest, at = excluded.at;
  select pgtide.tell('pgtide_catalog', '')
$$;

-- Whoever has read of what was skipped says so: of one collection, or of all. How many there were.
create or replace function pgtide.acknowledge(name text default null) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  done bigint;
begin
  with gone as (
    delete from pgtide.skipped s
     where acknowledge.name is null
        or s.collection = (select c.id from pgtide.collection c where c.name = acknowledge.name)
    returning s.changes)
  select coalesce(sum(g.changes), 0) into done from gone g;
  perform pgtide.tell('pgtide_catalog', '');
  return done;
end $$;

create or replace function pgtide.skipped_faults() returns table (wrong text, mend text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('changes of %s that could not be sent were skipped: %s, the last one at %s UTC, '
                '%s; mend the row, or its cast to json',
                coalesce('collection ' || c.name, 'what is watched no longer, or custom events,'),
                s.changes, to_char(s.at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS'), s.newest),
         concat('pgtide acknowledge', ' ' || pgtide.shell_word(c.name))
    from pgtide.skipped s left join pgtide.collection c on c.id = s.collection
   where s.at > clock_timestamp() - interval '1 hour'
   order by s.at desc limit 100
$$;

-- What is wrong with the database as a whole, each with its mend.
create or replace function pgtide.database_faults() returns table (wrong text, mend text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select f.wrong, case f.mend when 'pgtide install' then 'run: ' else '' end || f.mend
    from pgtide.schema_faults() f
  union all
  select l.wrong, l.mend from pgtide.foreign_locks() l
  union all
  select s.wrong, 'run: ' || s.mend from pgtide.skipped_faults() s
  union all
  select 'sequence pgtide.change_id does not count upwards: the log would be out of order',
         'ALTER SEQUENCE pgtide.change_id CACHE 1 INCREMENT 1 NO CYCLE;'
    from pg_sequence where seqrelid = 'pgtide.change_id'::regclass
     and (seqcache <> 1 or seqincrement < 1 or seqcycle)
  union all
  select format('publication %I is FOR ALL TABLES and carries the log', pubname),
         'name the tables in it, or see that its subscribers have the log tables'
    from pg_publication where puballtables
  union all
  select 'autovacuum is on for pgtide.' || relname,
         format('ALTER TABLE pgtide.%s SET (autovacuum_enabled = off);', relname)
    from pg_class
   where relnamespace = 'pgtide'::regnamespace and relname in ('log0', 'log1', 'log2')
     and not coalesce(reloptions @> '{autovacuum_enabled=off}', false)
  union all
  select 'this database is a copy: it was restored from a dump or its cluster is another one',
         'the leader begins its log anew; nothing is to be done'
    from pgtide.meta m, pg_control_system() s
   where m.system_identifier <> s.system_identifier
$$;

-- What `pgtide status` prints; writes nothing.
create or replace function pgtide.status() returns json
language sql stable set search_path = pg_catalog, pg_temp as $$
  select json_build_object(
    'schema_version', m.schema_version,
    'epoch', m.epoch,
    'horizon', m.horizon,
    'capture_role', m.capture_role,
    'current_log', pg_sequence_last_value('pgtide.current'),
    'armed_until', pg_sequence_last_value('pgtide.armed'),
    'rotated_at', m.rotated_at,
    'last_tick', (select json_build_object('number', t.n, 'at', t.at) from pgtide.tick t
                   order by t.n desc limit 1),
    -- The bridge that leads, and how many follow it.
    'leader', (select json_build_object('pid', a.pid, 'address', a.client_addr,
                                        'since', a.backend_start)
                 from pg_stat_activity a
                where a.pid = (select b.pid from pgtide.bridge b where b.leads limit 1)),
    'followers', (select count(*) from pgtide.bridge b where not b.leads),
    'owner', (select r.rolname from pg_namespace n join pg_roles r on r.oid = n.nspowner
               where n.nspname = 'pgtide'),
    'log_bytes', (select sum(pg_total_relation_size(format('pgtide.log%s', n)::regclass))
                    from generate_series(0, 2) n),
    'log_held', pgtide.log_held(),
    'log_moves', m.rotated_at between clock_timestamp() - interval '5 s' and clock_timestamp(),
    'logs', (select json_agg(json_build_object(
                      'log', r.log, 'switched_at', r.switched_at, 'sealed', r.seal is not null,
                      'bytes', pg_total_relation_size(format('pgtide.log%s', r.log)::regclass))
                    order by r.log) from pgtide.rotation r),
    'collections', (select coalesce(json_agg(json_build_object(
        'id', c.id, 'name', c.name, 'table', format('%I.%I', c.table_schema, c.table_name),
        'key', c.key, 'old_rows', c.old_rows, 'watched_at', c.watched_at,
        'wrong', f.wrong, 'mend', f.mend) order by c.name), '[]')
      from pgtide.collection c, pgtide.fault(c) f),
    'faults', (select coalesce(json_agg(d), '[]') from pgtide.database_faults() d))
    from pgtide.meta m
$$;
