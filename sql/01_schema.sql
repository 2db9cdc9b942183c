-- The schema pgtide: its state, the change log and the ticks. And pgtide_api, which holds what an
-- application may call: whoever may use a schema may have locks on its tables waited for, by naming
-- them in a CREATE TRIGGER or LOCK TABLE that fails, but only when it has the lock. So nobody but
-- members of the owner may use schema pgtide.
--
-- `pgtide install` runs the files of this folder in the order of their numbers, in one transaction.
-- By hand, the same:
--   cat sql/*.sql | psql -X -1 -v ON_ERROR_STOP=1 -f - DATABASE
-- Each file may run any number of times. Two settings, given before (`-c "set ..."`), change what
-- it does: pgtide.force = on puts up with a publication FOR ALL TABLES;
-- pgtide.force_logged_sequences = on takes the way of PostgreSQL 13 and 14 on a later one.
--
-- The first statement of each file keeps out what others may have put into schemas of the caller's
-- search_path: functions and operators that are called like PostgreSQL's and match better. The last
-- file resets it. pgtide.owner (`--owner`) names the role that a schema pgtide, which install would
-- refuse otherwise, may belong to; pgtide.lock_patience says how long install waits for a lock.
set search_path = pg_catalog, pg_temp;
set client_min_messages = warning;

do $$
declare
  mine constant int := 3;
  theirs int;
  owner name;
  wanted constant name := nullif(current_setting('pgtide.owner', true), '');
  patience constant interval :=
    coalesce(nullif(current_setting('pgtide.lock_patience', true), ''), '30s')::interval;
  ours boolean;
  word text;  -- the owner as one word of a command for a shell
  schema name;
  number oid;    -- of schema pgtide
  sequence oid;  -- pgtide.current, where there is one
  turn text := 'pgtide.meta';  -- what is waited for
  holders text;
begin
  if current_setting('server_version_num')::int < 130000 then
    raise exception 'pgtide needs PostgreSQL 13 or later, this is %',
      current_setting('server_version') using errcode = '0A000';
  end if;
  perform set_config('lock_timeout', (extract(epoch from patience) * 1000)::bigint::text, false);
  if wanted is not null and not exists (select from pg_roles where rolname = wanted) then
    raise exception 'there is no role %', wanted using errcode = '42704';
  end if;
  select r.rolname, exists (select from pg_class m where m.relnamespace = n.oid
                             and m.relname = 'meta' and m.relkind = 'r' and m.relowner = n.nspowner)
    into owner, ours
    from pg_namespace n join pg_roles r on r.oid = n.nspowner where n.nspname = 'pgtide';
  word := coalesce(owner, wanted, current_user);
  word := case when word ~ '^[A-Za-z0-9_.-]+$' then word
               else '''' || replace(word, '''', '''' || chr(92) || '''''') || '''' end;
  if exists (
       select from pg_db_role_setting s join pg_roles su on su.rolname = session_user,
              unnest(s.setconfig) c(setting)
        where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
          and s.setrole in (0, su.oid)
          and (starts_with(setting, 'session_authorization=')
               or starts_with(setting, 'role=') and su.rolname <> current_user))
  then
    raise exception 'role % was set for this session by ALTER DATABASE or ALTER ROLE, and its code '
      'would run with the rights of %', current_user, session_user using errcode = '42501',
      hint = 'Connect as that role; or as yourself, with PGOPTIONS=''-c role=none'' (which '
        'confines nothing: any code may set another role that you are a member of).';
  end if;
  if owner is null then
    owner := coalesce(wanted, current_user);
  elsif not pg_has_role(current_user, owner, 'USAGE') then
    raise exception 'pgtide was installed here by %, and % is not a member of it', owner,
      current_user
      using errcode = '42501', hint = format('GRANT %I TO %I;', owner, current_user);
  elsif wanted <> owner then
    raise exception 'schema pgtide belongs to role %, not to %', owner, wanted
      using errcode = '42501';
  elsif wanted is null and owner <> current_user then
    raise exception 'schema pgtide belongs to role %, not to %: who uses it runs the code of its '
      'owner', owner, current_user using errcode = '42501',
      hint = format('If you trust role %I: pgtide install --owner %s (set pgtide.owner = %L).',
                    owner, word, owner);
  elsif wanted is null and not ours then
    raise exception 'there is a schema pgtide that pgtide has not made: it has no table meta of '
      'its owner' using errcode = '55000',
      hint = format('Rename it; or, if all that is in it may stay: pgtide install --owner %s.',
                    word);
  end if;
  if exists (select from pg_namespace where nspname = 'pgtide_api' and nspowner <> (
               select oid from pg_roles where rolname = owner)) then
    raise exception 'schema pgtide_api belongs to role %, not to %: who calls what is in it runs '
      'the code of its owner',
      (select nspowner::regrole from pg_namespace where nspname = 'pgtide_api'), owner
      using errcode = '42501',
      hint = 'Rename it: ALTER SCHEMA pgtide_api RENAME TO other_api;';
  end if;
  foreach schema in array '{pgtide,pgtide_api}'::name[] loop
    continue when exists (select from pg_namespace where nspname = schema);
    if not has_database_privilege(current_database(), 'CREATE') then
      raise exception 'role % may not create a schema in database %', current_user,
        current_database() using errcode = '42501',
        hint = format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user);
    end if;
    begin
      execute format('create schema %I authorization %I', schema, owner);
    exception
      when lock_not_available then
        raise exception 'another transaction has made a schema % and has not ended for %', schema,
          patience using errcode = '55P03',
          hint = 'End that transaction (see pg_stat_activity), or install again later.';
      when duplicate_schema or unique_violation then
        raise exception 'somebody else made a schema % at this moment', schema
          using errcode = '55000', hint = 'Install again.';
    end;
  end loop;
  perform set_config('role', owner, false);
  -- From here on nobody drops it, and makes another of its name, while we wait for a lock.
  select n.oid, s.oid into number, sequence
    from pg_namespace n join pg_roles r on r.oid = n.nspowner
    left join pg_class s on s.relnamespace = n.oid and s.relname = 'current' and s.relkind = 'S'
   where n.nspname = 'pgtide' and r.rolname = owner;
  if sequence is not null then
    begin
      perform pg_sequence_last_value(sequence);
    exception when internal_error then null;  -- it is gone, and so is the schema
    end;
  end if;
  if to_regnamespace('pgtide')::oid is distinct from number then
    raise exception 'schema pgtide was dropped, or made by somebody else, at this moment'
      using errcode = '55000', hint = 'Install again.';
  end if;
  -- One that we have made holds our functions; after a dump without its data nothing tells more.
  ours := false;
  if to_regclass('pgtide.fingerprint') is not null then
    execute 'select exists (select from pgtide.fingerprint f '
            'where f.function = ''pgtide_api.broadcast(text,json)'')' into ours;
  end if;
  if wanted is null and not ours and exists (
       select from pg_depend d join pg_namespace n on n.oid = d.refobjid
        where d.refclassid = 'pg_namespace'::regclass and n.nspname = 'pgtide_api'
          and not (d.classid = 'pg_proc'::regclass
                   and coalesce(d.objid in (to_regprocedure('pgtide_api.broadcast(text,json)'),
                                            to_regprocedure('pgtide_api.broadcast_all(json)')),
                                false)))
  then
    raise exception 'there is a schema pgtide_api that pgtide has not made' using errcode = '55000',
      hint = format('Rename it; or, if all that is in it may stay: pgtide install --owner %s.',
                    word);
  end if;
  if to_regclass('pgtide.meta') is not null then
    begin
      execute 'select from pgtide.meta for update';
      if to_regclass('pgtide.turn') is not null then
        turn := 'pgtide.turn';
        execute 'select from pgtide.turn where what = ''watch'' for update';
      end if;
    exception when lock_not_available then
      select string_agg(distinct format('process %s (%s)', a.pid, quote_literal(
                                          left(a.application_name, 20))), ', ') into holders
        from pg_locks l join pg_stat_activity a on a.pid = l.pid
       where l.relation = turn::regclass and l.granted and l.pid <> pg_backend_pid()
         and l.mode in ('RowShareLock', 'ExclusiveLock', 'AccessExclusiveLock')
         and l.database = (select oid from pg_database where datname = current_database())
         and not exists (select from pg_locks w where w.pid = l.pid and not w.granted);
      raise exception 'table % stayed locked for %', turn, patience using errcode = '55P03',
        hint = coalesce(format('It is held by %s: another install or watch, most likely. Install '
                               'again later.', holders), 'Install again.');
    end;
  end if;
  if to_regclass('pgtide.meta') is not null then
    execute 'select schema_version from pgtide.meta' into theirs;
    if theirs > mine then
      raise exception 'the pgtide schema of this database is version %, this program knows %',
        theirs, mine using errcode = '55000', hint = 'Use a newer pgtide.';
    end if;
  end if;
  if current_setting('pgtide.force', true) is distinct from 'on'
     and exists (select from pg_publication where puballtables) then
    raise exception 'publication % is FOR ALL TABLES: it would carry the log to a subscriber '
      'that lacks it, and its replication would stop',
      (select string_agg(quote_ident(pubname), ', ') from pg_publication where puballtables)
      using errcode = '55000',
      hint = 'Name the tables in the publication, or give --force and create the log tables there.';
  end if;
end $$;

-- One row. epoch names this database and its history: it changes where the log begins anew.
create table if not exists pgtide.meta (
  one boolean primary key default true check (one),
  schema_version int not null,
  epoch bigint not null,
  system_identifier bigint not null,
  database_oid oid not null,
  horizon bigint not null default 0,
  rotated_at timestamptz not null default clock_timestamp(),
  capture_role name
);

-- Whose turn it is, by a lock on a row: 'lead', to decide which bridge leads (pgtide.take_lead);
-- 'watch', to write what is watched. Any role that may connect can lock a table in ROW EXCLUSIVE
-- mode, rights or not: nextval() of its number locks first, and keeps the lock until the
-- transaction ends. So nothing that must go on needs a lock that this mode conflicts with.
create table if not exists pgtide.turn (what text collate "C" primary key);
insert into pgtide.turn values ('lead'), ('watch') on conflict do nothing;

create table if not exists pgtide.collection (
  id int generated by default as identity primary key,
  name text collate "C" not null unique,
  relation oid not null,
  table_schema text not null,
  table_name text not null,
  key text[] not null,
  columns text[] not null,
  old_rows boolean not null,
  filenode oid not null default 0,
  partitions oid[] not null default '{}',
  watched_at timestamptz not null default clock_timestamp()
);
-- How long whatever has to wait for a lock waits: pgtide.lock_patience, 30 s where it is not set.
create or replace function pgtide.patience() returns interval
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(nullif(current_setting('pgtide.lock_patience', true), ''), '30s')::interval
$$;

-- A function of ours without arguments; null: there is none. By the index: to_regprocedure() reads
-- all functions of that name, and anybody may make thousands of them in a schema of his own.
create or replace function pgtide.own_function(name text) returns regprocedure
language sql stable set search_path = pg_catalog, pg_temp as $$
  select p.oid::regprocedure from pg_proc p
   where p.proname = $1::name and p.proargtypes = '' and p.pronamespace = 'pgtide'::regnamespace
$$;

-- A process, with what it calls itself: anything, so it is cut and quoted, or it would read like
-- ours, and name another process to be ended.
create or replace function pgtide.named_backend(pid int, called text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('process %s (%s)', pid, quote_literal(left(called, 20)))
$$;

-- Who has a lock on a relation, in one of the modes; null: in any.
create or replace function pgtide.lock_holders(relation regclass, modes text[] default null)
returns table (pid int, who text)
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select distinct a.pid, pgtide.named_backend(a.pid, a.application_name)
    from pg_locks l join pg_stat_activity a on a.pid = l.pid
   where l.relation = $1 and l.granted and l.pid <> pg_backend_pid()
     and (modes is null or l.mode = any (modes))
     and l.database = (select oid from pg_database where datname = current_database())
   order by 1
$$;

-- A text as a literal of SQL that means the text still when it is pasted from a terminal: what
-- cannot be seen there, and whatever is not ASCII, is escaped.
create or replace function pgtide.visible_literal(word text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when word !~ '[^ -~]' then quote_literal(word) else concat('E''', (
    select string_agg(case
             when c in ('''', chr(92)) then c || c
             when c !~ '[^ -~]' then c
             when ascii(c) < 128 then format('%sx%s', chr(92), lpad(to_hex(ascii(c)), 2, '0'))
             when getdatabaseencoding() = 'UTF8'
               then format('%sU%s', chr(92), lpad(to_hex(ascii(c)), 8, '0'))
             else c end, '' order by n)
      from generate_series(1, length(word)) n, substr(word, n, 1) c), '''') end
$$;

-- Who has written a row of the catalog anew and not ended: that of a relation or its partitions, of
-- our schemas, or of a function there. Any right on an object suffices for that: GRANT of a right
-- that one may not give only warns. DDL waits for it.
create or replace function pgtide.row_holders(relation regclass default null)
returns table (who text, mend text)
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select distinct
         case when a.pid is not null
                then format('%s of role %I', pgtide.named_backend(a.pid, a.application_name),
                            a.usename)
              else format('prepared transaction %s of role %I', pgtide.visible_literal(x.gid),
                          x.owner) end,
         case when a.pid is not null then format('SELECT pg_terminate_backend(%s);', a.pid)
              else format('ROLLBACK PREPARED %s;', pgtide.visible_literal(x.gid)) end
    from (select c.xmax from pg_class c
           where c.oid = $1 or c.oid in (select t.relid from pg_partition_tree($1) t)
          union all
          select n.xmax from pg_namespace n where n.nspname in ('pgtide', 'pgtide_api')
          union all
          select p.xmax from pg_proc p join pg_namespace n on n.oid = p.pronamespace
           where n.nspname in ('pgtide', 'pgtide_api')) r(writer)
    join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = r.writer
    left join pg_stat_activity a on a.pid = l.pid
    left join pg_prepared_xacts x on l.pid is null and x.transaction = l.transactionid
   where l.pid is distinct from pg_backend_pid() and (a.pid is not null or x.gid is not null)
$$;

-- The moment until which one try to lock tables may wait, for all its locks together: whoever uses
-- the tables stands still meanwhile, since it waits behind a lock that waits, or that we have.
create or replace function pgtide.end_of_try() returns timestamptz
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select clock_timestamp() + interval '100 milliseconds'
$$;

-- A lock_timeout with which so many waits end by then, one after the other. PostgreSQL counts in
-- milliseconds, and 0 is none.
create or replace function pgtide.time_for_waits(until timestamptz, waits bigint default 1)
returns text
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select greatest(floor(extract(epoch from until - clock_timestamp()) * 1000 / waits),
                  1)::bigint::text
$$;

create or replace function pgtide.lock_one(relation regclass, mode text, until timestamptz)
returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform set_config('lock_timeout', pgtide.time_for_waits(until), true);
  if (select c.relkind = 'S' from pg_class c where c.oid = relation) then
    -- No LOCK TABLE takes a sequence; this changes nothing, and is ACCESS EXCLUSIVE.
    execute format('alter sequence %s owner to %I', relation, (
      select r.rolname from pg_class c join pg_roles r on r.oid = c.relowner
       where c.oid = relation));
    return;
  end if;
  execute format('lock table only %s in %s mode%s', relation, mode,
                 case when clock_timestamp() < until then '' else ' nowait' end);
end $$;

-- Locks tables and their partitions, and waits until then, not so long for each: a stranger may let
-- go of one after the other. Null: all are locked. Else none is, and this one was not to be had.
create or replace function pgtide.try_locks(tables regclass[], mode text, until timestamptz)
returns regclass
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  before constant text := current_setting('lock_timeout');
  root regclass;
  busy regclass;
begin
  foreach root in array tables loop
    busy := root;
    perform pgtide.lock_one(root, mode, until);
    -- Only now, since none is attached or detached any more.
    for busy in select c.oid from pgtide.partitions_below(root) p join pg_class c on c.oid = p
                 where c.relkind in ('r', 'p') and pg_has_role(current_user, c.relowner, 'USAGE')
                 order by 1 loop
      perform pgtide.lock_one(busy, mode, until);
    end loop;
  end loop;
  perform set_config('lock_timeout', before, true);
  return null;
exception when lock_not_available or deadlock_detected then
  return busy;
end $$;

-- Runs a statement that needs a lock on a relation, or to write rows of the catalog, which a
-- stranger may keep from us: with short waits, again and again. What the statement has locked is
-- free between. A statement that waits more than four times sees to its waits itself.
create or replace function pgtide.alter_patiently(relation regclass, statement text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  before constant text := current_setting('lock_timeout');
  patience constant interval := pgtide.patience();
  busy text;
begin
  loop
    begin
      perform set_config('lock_timeout', pgtide.time_for_waits(pgtide.end_of_try(), 4), true);
      execute statement;
      perform set_config('lock_timeout', before, true);
      return;
    exception when lock_not_available or deadlock_detected or internal_error then
      -- Rows of the catalog are not waited for twice: "tuple concurrently updated".
      if sqlstate = 'XX000' and not starts_with(sqlerrm, 'tuple concurrently ')
         or sqlerrm like '% stayed locked for %' then
        raise;
      end if;
      get stacked diagnostics busy = table_name;  -- one that take_up() has waited for in vain
      if clock_timestamp() > now() + patience then
        relation := coalesce(nullif(busy, '')::oid::regclass, relation);
        raise exception '% stayed locked for %', relation, patience using errcode = '55P03',
          hint = coalesce((
            select format('It is held by %s End it, and try again.',
                          string_agg(format('%s: %s', h.who, h.mend), ' '))
              from (select r.who, r.mend from pgtide.row_holders(relation) r
                    union
                    select l.who, format('SELECT pg_terminate_backend(%s);', l.pid)
                      from pgtide.lock_holders(relation) l) h), 'Try again later.');
      end if;
    end;
    perform pg_sleep(0.05 + random() * 0.2);
  end loop;
end $$;

-- An older schema gets its columns here. Nothing is altered where nothing is missing: a lock that
-- ALTER TABLE waits for in vain would keep every reader waiting. No column comes with its default:
-- PostgreSQL refuses that where a table of anybody uses our row type. cursor_key: what the cursors
-- of clients are sealed with; who has it sees in them how much everybody writes. The others: what
-- the look at a table compares.
do $$
declare
  w record;
begin
  for w in
    select * from (values
      (1, 'pgtide.meta'::regclass, 'cursor_key', 'bytea', null),
      (2, 'pgtide.collection', 'key_columns', 'int2[]', '''{}'''),
      (3, 'pgtide.collection', 'key_given', 'boolean', 'false'),
      (4, 'pgtide.collection', 'ignore_rls', 'boolean', 'false'),
      (5, 'pgtide.collection', 'filenodes', 'oid[]', '''{}'''),
      (6, 'pgtide.collection', 'guard', 'text', ''''''),
      (7, 'pgtide.collection', 'looked_at', 'timestamptz', 'clock_timestamp()'),
      (8, 'pgtide.collection', 'reported', 'text', null),
      (9, 'pgtide.collection', 'shape', 'text', ''''''),
      (10, 'pgtide.collection', 'table_owner', 'name', null),
      (11, 'pgtide.collection', 'beside', 'text', null),
      (12, 'pgtide.collection', 'labels', 'bigint[]', null)) v(n, relation, name, type, usual)
     where not exists (select from pg_attribute a
                        where a.attrelid = v.relation and a.attname = v.name
                          and not a.attisdropped)
     order by v.n
  loop
    perform pgtide.alter_patiently(w.relation, format('alter table %s add column %s %s',
                                                      w.relation, w.name, w.type));
    continue when w.usual is null;
    execute format('alter table %s alter %s set default %s', w.relation, w.name, w.usual);
    execute format('update %s set %s = %s', w.relation, w.name, w.usual);
    execute format('alter table %s alter %s set not null', w.relation, w.name);
  end loop;
end $$;

-- Makes a view, or makes it anew where it is another: to find out needs no lock on the one there.
create or replace function pgtide.put_view(view text, options text, query text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  same boolean;
begin
  if to_regclass(view) is null then
    execute format('create view %s %s as %s', view, options, query);
    return;
  end if;
  execute format('create view pgtide.fresh_view %s as %s', options, query);
  select pg_get_viewdef(c.oid) = pg_get_viewdef(f.oid)
         and c.reloptions is not distinct from f.reloptions into same
    from pg_class c, pg_class f
   where c.oid = to_regclass(view) and f.oid = to_regclass('pgtide.fresh_view');
  drop view pgtide.fresh_view;
  if not same then
    perform pgtide.alter_patiently(view::regclass, format('create or replace view %s %s as %s',
                                                          view, options, query));
  end if;
end $$;

create sequence if not exists pgtide.change_id as bigint cache 1;

-- Which log table the writers use; an xid after which all writers use that one (the largest bigint
-- while they leave another, sql/07_rotation.sql); and until when the sleeping leader wants to be
-- woken (epoch seconds; 0: it is awake). Sequences, because their last_value is the present one at
-- any isolation level. The last is unlogged where PostgreSQL can, so that arming writes no WAL.
do $$
declare
  unlogged boolean := current_setting('server_version_num')::int >= 150000
    and current_setting('pgtide.force_logged_sequences', true) is distinct from 'on';
begin
  create sequence if not exists pgtide.current as bigint minvalue 0 maxvalue 2 start 0 cache 1;
  if pg_sequence_last_value('pgtide.current') is null then
    perform setval('pgtide.current', 0);
  end if;
  -- The largest bigint: an upgrade may come in the middle of a switch that does not set it.
  if to_regclass('pgtide.switched') is null then
    create sequence pgtide.switched as bigint minvalue 0 start 0 cache 1;
    perform setval('pgtide.switched', case when to_regclass('pgtide.log0') is null
                                           then txid_current() else 9223372036854775807 end);
  end if;
  if to_regclass('pgtide.armed') is null then
    execute format('create %s sequence pgtide.armed as bigint minvalue 0 start 0 cache 1',
                   case when unlogged then 'unlogged' else '' end);
  elsif unlogged <> (select relpersistence = 'u' from pg_class
                      where oid = to_regclass('pgtide.armed')) then
    execute format('alter sequence pgtide.armed set %s',
                   case when unlogged then 'unlogged' else 'logged' end);
  end if;
  -- Each session's own value tells what its SERIALIZABLE transaction has logged (pgtide.mark).
  if to_regclass('pgtide.marks') is null then
    execute format('create %s sequence pgtide.marks as bigint minvalue 0 start 0 cache 1',
                   case when unlogged then 'unlogged' else '' end);
  end if;
  if pg_sequence_last_value('pgtide.armed') is null then
    perform setval('pgtide.armed', 0);
  end if;
end $$;

-- The log. The index serves batches and, with old_tid, the repair of nested statements; a create
-- has no old_tid. record_hash is 0 for t and s, 1 for a change whose key could not be read, 2 for
-- x. A ctid names a row version within a record: which partition a record lies in is decided by its
-- key. The tables are emptied by TRUNCATE; autovacuum's lock would refuse it.
do $$
declare n int;
begin
  for n in 0..2 loop
    execute format($ddl$
      create table if not exists pgtide.log%1$s (
        id bigint not null default nextval('pgtide.change_id'),
        xid xid8 not null default pg_current_xact_id(),
        at timestamptz not null default clock_timestamp(),
        collection int not null,
        action "char" not null,
        record text collate "C",
        record_hash int not null,
        old_tid tid,
        new_tid tid,
        old_row json,
        new_row json
      ) with (autovacuum_enabled = off, toast.autovacuum_enabled = off);
      create table if not exists pgtide.tick%1$s (
        n bigint primary key,
        nonce bigint not null,
        snapshot pg_snapshot not null,
        at timestamptz not null default clock_timestamp(),
        last_id bigint,
        xid xid8
      ) with (autovacuum_enabled = off);
    $ddl$, n);
    -- last_id, of the sequence change_id, was read before the tick got its xid: that the sequence
    -- goes back is noticed by both. An older schema lacks them.
    if not exists (select from pg_attribute where attname = 'last_id' and not attisdropped
                      and attrelid = format('pgtide.tick%s', n)::regclass) then
      perform pgtide.alter_patiently(format('pgtide.tick%s', n)::regclass,
                                     format('alter table pgtide.tick%s add last_id bigint, '
                                            'add xid xid8', n));
    end if;
    -- IF NOT EXISTS would wait for every writer of the table, and others behind it, and then look.
    if to_regclass(format('pgtide.log%s_xid', n)) is null then
      execute format('create index log%1$s_xid on pgtide.log%1$s (xid, record_hash, old_tid)', n);
    end if;
    if to_regclass(format('pgtide.log%s_id', n)) is null then
      execute format('create index log%1$s_id on pgtide.log%1$s using brin (id) '
                     'with (pages_per_range = 16)', n);
    end if;
  end loop;
end $$;

-- When the writers left a log table: seal is an xid that no writer of it is younger than.
create table if not exists pgtide.rotation (
  log int primary key check (log between 0 and 2),
  switched_at timestamptz,
  seal xid8
);
insert into pgtide.rotation (log) values (0), (1), (2) on conflict do nothing;

select pgtide.put_view('pgtide.log', '', $$
  select 0 as log, l.* from pgtide.log0 l
  union all select 1, l.* from pgtide.log1 l
  union all select 2, l.* from pgtide.log2 l $$);

-- What the capture functions read of it, and the only rows that they may alter: the changes of the
-- own transaction. Every operator that they look with is leakproof, so the barrier costs no index.
select pgtide.put_view('pgtide.own_log' || n, 'with (security_barrier)', format($$
  select l.* from pgtide.log%s l where l.xid = pg_catalog.pg_current_xact_id() $$, n))
  from generate_series(0, 2) n;
select pgtide.put_view('pgtide.own_log', 'with (security_barrier)', $$
  select 0 as log, l.* from pgtide.log0 l where l.xid = pg_catalog.pg_current_xact_id()
  union all select 1, l.* from pgtide.log1 l where l.xid = pg_catalog.pg_current_xact_id()
  union all select 2, l.* from pgtide.log2 l where l.xid = pg_catalog.pg_current_xact_id() $$);

-- What could not be sent and was skipped, a row for each collection (0: custom events, and what is
-- watched no longer). Told by status and every bridge until it is acknowledged or an hour old.
create table if not exists pgtide.skipped (
  collection int primary key,
  changes bigint not null,
  newest text not null,
  at timestamptz not null default clock_timestamp()
);

-- How each function of the schema was when `install` or `watch` wrote it, and each view. Only the
-- owner writes here.
create table if not exists pgtide.fingerprint (
  function text collate "C" primary key,
  print text not null
);

select pgtide.put_view('pgtide.tick', '', $$
  select 0 as tick, t.* from pgtide.tick0 t
  union all select 1, t.* from pgtide.tick1 t
  union all select 2, t.* from pgtide.tick2 t $$);

create or replace function pgtide.random_bigint() returns bigint
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select ('x' || translate(substr(gen_random_uuid()::text, 1, 18), '-', ''))::bit(64)::bigint
         & 9223372036854775807
$$;

insert into pgtide.meta (schema_version, epoch, system_identifier, database_oid)
select 3, pgtide.random_bigint(), system_identifier, d.oid
  from pg_control_system(), pg_database d where d.datname = current_database()
on conflict do nothing;

-- 32 bytes out of 366 bits of chance. It stays, so that cursors are valid on every bridge, after
-- restarts and upgrades.
update pgtide.meta
   set cursor_key = sha256(convert_to(
         gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))
 where cursor_key is null;
