-- Watching a table: what may be watched, the triggers, and the way back.
set search_path = pg_catalog, pg_temp;

drop function if exists pgtide.holders_of(regclass) cascade;  -- lock_holders() now

-- Locks tables and their partitions with a short wait for all of them, again and again, for a lock
-- that waits makes every later writer of the table wait behind it.
create or replace function pgtide.lock_patiently(tables regclass[], mode text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  patience constant interval := pgtide.patience();
  busy regclass;
begin
  loop
    busy := pgtide.try_locks(tables, mode, pgtide.end_of_try());
    exit when busy is null;
    perform pgtide.give_up_after(patience, busy);
    perform pg_sleep(0.05 + random() * 0.2);
  end loop;
end $$;

-- Raises where this transaction has waited for a table for as long as we have patience.
create or replace function pgtide.give_up_after(patience interval, busy regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if clock_timestamp() > now() + patience then
    raise exception 'table % stayed locked for %', busy, patience using errcode = '55P03',
      hint = format('A long transaction or a VACUUM holds it%s. Try again later.',
                    (select ': ' || string_agg(h.who, ', ') from pgtide.lock_holders(busy) h));
  end if;
end $$;

create or replace function pgtide.is_collection_name(name text) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select coalesce(name collate "C" ~ '^[A-Za-z_][A-Za-z0-9_]{0,62}$', false)
$$;

-- A collection name for a table that needs one: "My Table" is My_Table.
create or replace function pgtide.to_collection_name(name text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select left(regexp_replace(regexp_replace(name collate "C", '[^A-Za-z0-9_]', '_', 'g'),
                             '^(?=[0-9])', '_'), 63)
$$;

-- Why a table cannot be watched, whoever asks, and the statement that mends it, where one does. It
-- waits for no lock, since the look asks it of what is watched.
create or replace function pgtide.obstacle(c pg_class, out why text, out mend text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  other oid;
begin
  why := case
    when c.relkind in ('v', 'm') then 'is a view: watch the tables under it'
    when c.relkind = 'f' then 'is a foreign table: its rows change elsewhere'
    when c.relkind not in ('r', 'p') then 'is no table'
    when c.relnamespace in ('pgtide'::regnamespace, 'pg_catalog'::regnamespace,
                            'information_schema'::regnamespace) then 'is a system table'
    when c.relpersistence = 't' then 'is a temporary table' end;
  if why is not null then return; end if;
  if c.relpersistence = 'u' then
    why := 'is unlogged: a crash empties it and tells nobody (ALTER TABLE ... SET LOGGED mends it)';
    mend := format('ALTER TABLE %s SET LOGGED;', c.oid::regclass);
    return;
  end if;
  if c.relispartition then
    if exists (select from pg_partition_ancestors(c.oid) p
                 join pgtide.collection w on w.relation = p.relid where p.relid <> c.oid) then
      why := 'is a partition of a table that is watched';
      return;
    end if;
  else
    select i.inhparent into other from pg_inherits i where i.inhrelid = c.oid
     order by i.inhseqno limit 1;
    if found then
      why := 'is an inheritance child: use a partitioned table';
      mend := format('ALTER TABLE %s NO INHERIT %s;', c.oid::regclass, other::regclass);
      return;
    end if;
  end if;
  if c.relkind = 'r' then
    select i.inhrelid into other from pg_inherits i where i.inhparent = c.oid limit 1;
    if found then
      why := 'has inheritance children, whose rows its triggers do not see: use a partitioned '
             'table';
      mend := format('ALTER TABLE %s NO INHERIT %s;', other::regclass, c.oid::regclass);
    end if;
  elsif exists (select from pgtide.partitions_below(c.oid) p
                  join pgtide.collection w on w.relation = p) then
    why := 'has a partition that is watched by itself: unwatch that first';
  else
    select p into other from pgtide.partitions_below(c.oid) p
     where (select k.relkind from pg_class k where k.oid = p) = 'f' limit 1;
    if found then
      why := 'has a foreign table as a partition';
      return;
    end if;
    select p into other from pgtide.partitions_below(c.oid) p
     where (select k.relkind = 'r' and k.relpersistence = 'u' from pg_class k where k.oid = p)
     limit 1;
    if found then
      why := format('has a partition that is unlogged, %s: a crash empties it and tells nobody',
                    other::regclass);
      mend := format('ALTER TABLE %s SET LOGGED;', other::regclass);
    end if;
  end if;
end $$;

-- Refuses a table that cannot be watched, with the reason.
create or replace function pgtide.check_table(relation regclass, ignore_rls boolean) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  c pg_class;
  installer name := (select nspowner::regrole::text from pg_namespace where nspname = 'pgtide');
  owner name;
  why text;
begin
  select * into strict c from pg_class where oid = relation;
  select rolname into owner from pg_roles where oid = c.relowner;
  select o.why into why from pgtide.obstacle(c) o;
  if why is not null then
    raise exception 'table % cannot be watched: it %', relation, why using errcode = '42809';
  end if;
  if c.relrowsecurity and not ignore_rls then
    raise exception 'table % cannot be watched: it has row-level security, which pgtide does not '
      'consult; its rules.yaml decides who sees which row', relation
      using errcode = '42501', hint = 'Watch it with --ignore-rls (ignore_rls => true).';
  end if;
  if not pg_has_role(current_user, c.relowner, 'USAGE') then
    raise exception 'table % belongs to %: only its owner may watch it', relation, owner
      using errcode = '42501', hint = format('GRANT %I TO %I;', owner, current_user);
  end if;
  if not pg_has_role(current_user, (select nspowner from pg_namespace where nspname = 'pgtide'),
                     'USAGE') then
    raise exception 'pgtide was installed by %, and % is not a member of it', installer,
      current_user
      using errcode = '42501', hint = format('GRANT %s TO %I;', installer, current_user);
  end if;
end $$;

-- The first of these columns whose type gives different values the same record id, and why; null:
-- there is none. What is within an array or a composite is told apart by its quotes.
create or replace function pgtide.unfit_key_column(relation oid, cols int2[], out col name,
                                                   out why text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select a.attname,
         format('is of type %s, %s', format_type(a.atttypid, null),
                case k.kind when 'jsonb'::regtype
                  then 'in which 1 and "1" have the same record id and null has none'
                else 'which prints different values alike' end)
    from unnest(cols) with ordinality u(number, n)
    join pg_attribute a on a.attrelid = relation and a.attnum = u.number
   cross join lateral (select case when a.atttypid < 16384 then a.atttypid
                                   else pgtide.base_type(a.atttypid) end) k(kind)
   where k.kind in ('jsonb'::regtype, 'regproc'::regtype, 'regoper'::regtype)
   order by u.n limit 1
$$;

-- The key's column numbers, in order: the primary key, or the columns given.
create or replace function pgtide.check_key(relation regclass, key text[]) returns int2[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  i pg_index;
  cols int2[];
  unfit record;
begin
  if key is null then
    select x.* into i from pg_index x where x.indrelid = relation and x.indisprimary;
    if not found then
      raise exception 'table % cannot be watched: it has no primary key', relation
        using errcode = '42809', hint = 'ALTER TABLE ... ADD PRIMARY KEY, or name columns that are '
          'unique and NOT NULL: --key a,b (key => array[''a'', ''b'']).';
    end if;
    if not i.indimmediate then
      raise exception 'table % cannot be watched: its primary key is deferrable, so two '
        'transactions may hold the same key for a while', relation using errcode = '42809',
        hint = 'Make it NOT DEFERRABLE, or name other columns with --key.';
    end if;
    cols := (select array_agg(k order by n) from unnest(i.indkey::int2[]) with ordinality u(k, n)
              where n <= i.indnkeyatts);
  else
    cols := pgtide.check_given_key(relation, key);
  end if;
  select u.col, u.why into unfit from pgtide.unfit_key_column(relation, cols) u;
  if unfit.col is not null then
    raise exception 'table % cannot be watched: its key column % %', relation,
      quote_ident(unfit.col), unfit.why using errcode = '42809',
      hint = 'Name other columns that are unique and NOT NULL: --key a,b (key => array[''a'', '
        '''b'']).';
  end if;
  return cols;
end $$;

create or replace function pgtide.check_given_key(relation regclass, key text[]) returns int2[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  cols int2[];
  bad text;
  unproven name;
begin
  select array_agg(a.attnum order by u.n), string_agg(quote_ident(u.k), ', ')
           filter (where a.attnum is null)
    into cols, bad
    from unnest(key) with ordinality u(k, n)
    left join pg_attribute a on a.attrelid = relation and a.attname = u.k and a.attnum > 0
                            and not a.attisdropped;
  if bad is not null or cols is null then
    raise exception 'table % has no column %', relation, coalesce(bad, '(none given)')
      using errcode = '42703';
  end if;
  -- PostgreSQL 18 has NOT NULL that holds for new rows alone.
  select string_agg(quote_ident(a.attname), ', '), min(k.conname) into bad, unproven
    from pg_attribute a
    left join pg_constraint k on k.conrelid = a.attrelid and k.contype = 'n'
                             and k.conkey = array[a.attnum] and not k.convalidated
   where a.attrelid = relation and a.attnum = any (cols)
     and (not a.attnotnull or k.oid is not null);
  if bad is not null then
    raise exception 'column % of % may be null: it cannot be part of the key', bad, relation
      using errcode = '42809', hint = case when unproven is null
        then 'ALTER TABLE ... ALTER COLUMN ... SET NOT NULL.'
        else format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', relation, unproven) end;
  end if;
  if not exists (
    select from pg_index x
     where x.indrelid = relation and x.indisunique and x.indimmediate and x.indisvalid
       and x.indpred is null and x.indexprs is null
       and (select array_agg(k order by k) from unnest(x.indkey::int2[]) with ordinality u(k, n)
             where n <= x.indnkeyatts) = (select array_agg(k order by k) from unnest(cols) k)) then
    raise exception 'the columns % of % are no key: it takes a unique index on just these columns, '
      'valid, not partial, not deferrable', array_to_string(key, ', '), relation
      using errcode = '42809', hint = 'CREATE UNIQUE INDEX ... ON ... (...).';
  end if;
  return cols;
end $$;

-- Without those that triggers do not see (PostgreSQL 18: GENERATED ... VIRTUAL).
create or replace function pgtide.columns_of(relation oid) returns text[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_agg(attname::text order by attnum), '{}') from pg_attribute
   where attrelid = relation and attnum > 0 and not attisdropped and attgenerated <> 'v'
$$;

-- The triggers of a collection as they stand, those of its partitions too, to find out later that
-- they were away for a while: a partition that was detached and attached again has another one.
create or replace function pgtide.guard_of(c int, relation oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  guard text;
begin
  select coalesce(string_agg(format('%s %s %s', t.tgname, t.tgenabled, t.xmin), ', '
                             order by t.tgname), '') into guard
    from pg_trigger t
   where t.tgrelid = relation and t.tgname in ('!pgtide', '!pgtide_truncate')
     and not t.tgisinternal;
  if (select k.relkind from pg_class k where k.oid = relation) = 'p' then
    select guard || ', ' || coalesce(md5(string_agg(format('%s %s %s', t.oid, t.tgenabled, t.xmin),
                                                    ',' order by t.oid)), '') into guard
      from pgtide.partitions_below(relation) p
      join pg_trigger t on t.tgrelid = p and t.tgname = '!pgtide';
  end if;
  return guard;
end $$;

create or replace function pgtide.partitions_of(relation oid, out partitions oid[],
                                                out filenodes oid[])
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_agg(c.oid order by c.oid), '{}'),
         coalesce(array_agg(c.relfilenode order by c.oid), '{}')
    from pgtide.partitions_below(relation) p join pg_class c on c.oid = p
$$;

create or replace function pgtide.functions_of(c int) returns regprocedure[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  select array_remove(array[pgtide.own_function(format('capture_%s', c)),
                            pgtide.own_function(format('truncate_%s', c))], null)
$$;

-- Writes the trigger functions of a collection anew; the triggers stay.
create or replace function pgtide.regenerate(c int) returns void
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set check_function_bodies = on
set quote_all_identifiers = off as $$
<<regenerate>>
declare
  relation oid;
  shape text;
begin
  select w.relation into relation from pgtide.collection w where w.id = c;
  -- Before the source is made: what is altered in between is seen by the next look.
  shape := pgtide.shape_of(relation);
  -- The settings make the text of a value independent of the writer's session.
  perform pgtide.as_owner(format('create or replace function pgtide.capture_%s() returns trigger '
    'language plpgsql security definer set search_path = pg_catalog, pg_temp '
    'set timezone = ''UTC'' set datestyle = ''ISO, MDY'' set intervalstyle = ''postgres'' '
    'set bytea_output = ''hex'' set extra_float_digits = 1 %s as %L',
    c, concat(pgtide.print_settings(relation),
              case when not pgtide.is_trusted(relation, pgtide.trusted_types(relation))
                   then 'set array_nulls = on' end), pgtide.capture_source(c)),
    pgtide.own_function(format('capture_%s', c)));
  perform pgtide.as_owner(format('create or replace function pgtide.truncate_%1$s() '
    'returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as '
    '%2$L', c, format('begin if current_user = %L then if %s and pgtide.serves(%s, tg_relid) then '
      'perform pgtide.log_truncate(%s, tg_argv[0], tg_relid); end if; end if; return null; end',
      pgtide.runs_as(), pgtide.home_source(true), relation, c)),
    pgtide.own_function(format('truncate_%s', c)));
  perform pgtide.take_from_others(pgtide.functions_of(c)::oid[]);
  perform pgtide.hand_over(f) from unnest(pgtide.functions_of(c)) f;
  if (select k.relkind from pg_class k where k.oid = regenerate.relation) = 'p'
     and not has_function_privilege('public', format('pgtide.capture_%s()', c), 'EXECUTE') then
    perform pgtide.as_owner(format('grant execute on function pgtide.capture_%s() to public', c),
                            pgtide.own_function(format('capture_%s', c)));
  end if;
  perform pgtide.note_functions(pgtide.functions_of(c)::oid[]);
  update pgtide.collection w set shape = regenerate.shape where w.id = c;
end $$;

-- Whether a trigger is called at the moments that ours is: after each row that is inserted, updated
-- or deleted (1 + 4 + 8 + 16), or after TRUNCATE (32), whatever is in the row (trigger.h).
create or replace function pgtide.is_whole(t pg_trigger) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return t.tgtype = case t.tgname when '!pgtide' then 29 else 32 end and t.tgqual is null
     and t.tgattr::text = '' and not t.tgdeferrable;
end $$;

-- Puts one of the two triggers on a table where it is not there yet, and sets it ENABLE ALWAYS.
create or replace function pgtide.put_trigger(relation regclass, trigger name, timing text,
                                              call text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  t pg_trigger;
  called constant regprocedure := (split_part(call, '(', 1) || '()')::regprocedure;
begin
  select * into t from pg_trigger
   where tgrelid = relation and tgname = trigger and not tgisinternal;
  if found and (t.tgfoid <> called or not pgtide.is_whole(t) or pg_get_triggerdef(t.oid)
                not like '%' || call || '%') then
    execute format('drop trigger %I on %s', trigger, relation);
    t := null;
  end if;
  if t.oid is null then
    execute format('create trigger %I after %s execute function %s', trigger,
                   format(timing, relation), call);
  end if;
  if t.tgenabled is distinct from 'A' then
    execute format('alter table %s enable always trigger %I', relation, trigger);
  end if;
end $$;

create or replace function pgtide.put_triggers(c int, relation regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  p record;
begin
  -- CREATE TRIGGER puts ours on each partition, and fails where another one has its name: whoever
  -- has TRIGGER on a partition can make it.
  for p in select t.tgrelid from pgtide.partitions_below(relation) b
             join pg_trigger t on t.tgrelid = b and t.tgname = '!pgtide'
            where t.tgparentid = 0 and not t.tgisinternal loop
    execute format('drop trigger "!pgtide" on %s', p.tgrelid::regclass);
  end loop;
  perform pgtide.put_trigger(relation, '!pgtide', 'insert or update or delete on %s for each row',
                             format('pgtide.capture_%s()', c));
  perform pgtide.put_trigger(relation, '!pgtide_truncate', 'truncate on %s for each statement',
                             format('pgtide.truncate_%s(''root'')', c));
  for p in select relid from pg_partition_tree(relation)
            where relid is distinct from put_triggers.relation loop
    perform pgtide.put_trigger(p.relid, '!pgtide_truncate', 'truncate on %s for each statement',
                               format('pgtide.truncate_%s(''partition'')', c));
    if exists (select from pg_trigger where tgrelid = p.relid and tgname = '!pgtide'
                                        and tgenabled <> 'A') then
      execute format('alter table %s enable always trigger "!pgtide"', p.relid);
    end if;
  end loop;
end $$;

-- Logs that what clients know of a collection may be stale.
create or replace function pgtide.mark_changed(c int) returns void
language sql set search_path = pg_catalog, pg_temp as $$
  select pgtide.append(c, 's'::"char", null::text, 0, null::tid, null::tid, null::json, null::json)
$$;

-- Records a collection as it is to be, and writes its functions; its number. `w.key` is null where
-- none was given. Unless `anew`, what is written for the table as it is now stays.
create or replace function pgtide.write_functions(w pgtide.collection, anew boolean) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  was pgtide.collection;
  is_now pgtide.collection;
begin
  select * into was from pgtide.collection c where c.id = w.id;
  w.id := pgtide.record_collection(w.relation, w.name, pgtide.check_key(w.relation, w.key),
                                   w.key is not null, w.ignore_rls, w.old_rows, w.id);
  select * into is_now from pgtide.collection c where c.id = w.id;
  if anew or cardinality(pgtide.functions_of(w.id)) < 2
     or row(was.relation, was.key, was.old_rows, was.shape)
        is distinct from row(is_now.relation, is_now.key, is_now.old_rows,
                             pgtide.shape_of(w.relation)) then
    perform pgtide.regenerate(w.id);
  end if;
  return w.id;
end $$;

-- Writes the rows of the catalog of a table and its partitions, as they are, and so has them until
-- the transaction ends: CREATE TRIGGER, which writes them under its lock, would wait there for each
-- that a stranger has written. Only who has a right on a table can, and then its row has an ACL. No
-- writer of the table waits meanwhile; who would write the row without asking, VACUUM and CREATE
-- INDEX, does.
create or replace function pgtide.claim_rows(relation regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  -- It has no right there, so REVOKE alters nothing.
  nobody constant name := coalesce((select m.capture_role from pgtide.meta m), 'pg_signal_backend');
  t regclass;
begin
  perform set_config('lock_timeout', '100', true);
  for t in select c.oid from pg_class c
            where c.oid in (select relation::oid union all select pgtide.partitions_below(relation))
              and c.relkind in ('r', 'p') and c.relacl is not null
              and pg_has_role(current_user, c.relowner, 'USAGE')
              and not exists (select from aclexplode(c.relacl) a
                               where a.grantee = (select oid from pg_roles where rolname = nobody))
            order by 1 loop
    execute format('lock table only %s in share update exclusive mode', t);
    execute format('revoke truncate on table %s from %I', t, nobody);
  end loop;
end $$;

-- The part of watch() that has the table's lock, in which writers wait: so what can be done before
-- is done before (`w` has a number then), and all waits of a call together end in a tenth of a
-- second.
create or replace function pgtide.take_up(w pgtide.collection) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  was oid := (select c.relation from pgtide.collection c where c.id = w.id);
  until timestamptz;
  busy regclass;
begin
  perform pgtide.claim_rows(w.relation);
  until := pgtide.end_of_try();
  if was <> w.relation then
    busy := pgtide.try_drop(pgtide.functions_of(w.id), until);
    if busy is null then perform pgtide.write_functions(w, true); end if;
  end if;
  if busy is null then
    busy := pgtide.try_locks(array[w.relation]::regclass[], 'share row exclusive', until);
  end if;
  if busy is not null then
    raise exception 'table % is locked', busy
      using errcode = '55P03', table = busy::oid::text;
  end if;
  perform pgtide.write_functions(w, false);  -- again, if somebody has altered the table since
  perform set_config('lock_timeout', pgtide.time_for_waits(
    until, (select count(*) from pgtide.partitions_below(w.relation)) + 4), true);
  perform pgtide.put_triggers(w.id, w.relation);
  update pgtide.collection c set guard = pgtide.guard_of(c.id, c.relation), reported = null
   where c.id = w.id;
end $$;

create or replace function pgtide.typed_columns(relation oid) returns text[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  select array_agg(concat(attname, ' ', atttypid, ' ', atttypmod) order by attname)
    from pg_attribute where attrelid = relation and attnum > 0 and not attisdropped
$$;

-- Tells of what ATTACH PARTITION refuses: both have triggers of the same name.
create or replace function pgtide.warn_of_attach(relation regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  parted constant boolean := (select relkind = 'p' from pg_class where oid = relation);
  columns constant text[] := pgtide.typed_columns(relation);
  other record;
  parent regclass;
  part regclass;
begin
  for other in
    select c.name, c.relation::regclass as relid
      from pg_class k join pgtide.collection c on c.relation = k.oid
     where (k.relkind = 'p' or parted) and k.oid <> relation
       and case when k.oid <> relation then pgtide.typed_columns(k.oid) = columns end
     order by c.id limit 3
  loop
    parent := case when parted then relation else other.relid end;
    part := case when parted then other.relid else relation end;
    raise warning 'table % cannot be attached to % as a partition while both are watched', part,
      parent using hint = format('In one transaction: select pgtide.unwatch(%L); ALTER TABLE %s '
        'ATTACH PARTITION %s ...', part, parent, part);
  end loop;
end $$;

create or replace function pgtide.watch(
  relation regclass, collection text default null, key text[] default null,
  ignore_rls boolean default false, old_rows boolean default true) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  was pgtide.collection;
  is_now pgtide.collection;
  other text;
begin
  perform pgtide.check_table(relation, ignore_rls);
  perform pgtide.take_watch_turn();
  select * into was from pgtide.collection w where w.relation = watch.relation;
  if was.id is null then
    -- A table of this name that is gone or was renamed: the new one takes its place. That of
    -- another owner, who needs no more than CREATE on the schema, does so by the collection's name.
    select w.* into was from pgtide.collection w join pg_class t on t.oid = watch.relation
     where w.table_name = t.relname
       and w.table_schema = (select nspname from pg_namespace where oid = t.relnamespace);
    if was.table_owner <> (select r.rolname from pg_class t join pg_roles r on r.oid = t.relowner
                            where t.oid = watch.relation)
       and collection is distinct from was.name then
      if collection is null then
        raise exception 'table % is not the one that is watched as collection %, which belongs or '
          'belonged to role %', relation, was.name, was.table_owner using errcode = '55000',
          hint = format('To hand it the collection: pgtide watch %s --as %s (collection => %L). To '
                        'watch it as another one, give another name.', pgtide.shell_word(
                          relation::text), was.name, was.name);
      end if;
      was := null;
    end if;
  end if;
  collection := coalesce(collection, was.name,
                         (select relname from pg_class where oid = relation));
  if not pgtide.is_collection_name(collection) then
    raise exception '"%" cannot be the name of a collection: letters, digits and _, at most 63, '
      'not beginning with a digit', collection
      using errcode = '22023', hint = format('Give it another (collection => ...): pgtide watch '
        '%s --as %s', pgtide.shell_word(relation::text), pgtide.to_collection_name(collection));
  end if;
  select format('%I.%I', w.table_schema, w.table_name) into other from pgtide.collection w
   where w.name = watch.collection and w.id is distinct from was.id;
  if found then
    raise exception 'collection % is taken by table %', collection, other
      using errcode = '42710', hint = format('Give another name (collection => ...): '
        'pgtide watch %s --as %s', pgtide.shell_word(relation::text), pgtide.to_collection_name(
          (select concat(n.nspname, '_', t.relname) from pg_class t
             join pg_namespace n on n.oid = t.relnamespace where t.oid = relation)));
  end if;
  if key is null and was.key_given and not exists (
       select from pg_index where indrelid = relation and indisprimary and indimmediate) then
    key := was.key;
  end if;
  is_now.id := was.id;
  is_now.name := collection;
  is_now.relation := relation;
  is_now.key := key;
  is_now.ignore_rls := ignore_rls;
  is_now.old_rows := old_rows;
  if was.id is null or was.relation = relation then
    is_now.id := pgtide.write_functions(is_now, true);
  end if;
  perform pgtide.alter_patiently(relation, format('select pgtide.take_up(%L)', is_now));
  if was.id is not null and (
       select row(w.name, w.relation, w.key, w.columns, w.old_rows, w.filenode, w.filenodes,
                  w.guard, w.shape)
                is distinct from row(was.name, was.relation, was.key, was.columns, was.old_rows,
                                     was.filenode, was.filenodes, was.guard, was.shape)
         from pgtide.collection w where w.id = was.id) then
    perform pgtide.mark_changed(was.id);
  end if;
  perform pgtide.tell('pgtide_catalog', '');  -- the bridges read anew what is watched
  perform pgtide.warn_of_attach(relation);
  return collection;
end $$;

-- A collection's number that no function of a dump has, or its triggers, and what they have logged,
-- would be taken for this collection's.
create or replace function pgtide.fresh_id() returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  id int;
begin
  loop
    id := nextval(pg_get_serial_sequence('pgtide.collection', 'id'));
    exit when cardinality(pgtide.functions_of(id)) = 0;
  end loop;
  return id;
end $$;

create or replace function pgtide.record_collection(
  relation regclass, name text, cols int2[], given boolean, ignore_rls boolean, old_rows boolean,
  known int) returns int
language sql set search_path = pg_catalog, pg_temp as $$
  insert into pgtide.collection as w (
    id, name, relation, table_schema, table_name, key, columns, old_rows, filenode, partitions,
    filenodes, key_columns, key_given, ignore_rls, table_owner, labels)
  select coalesce(known, pgtide.fresh_id()), $2, t.oid, s.nspname, t.relname,
         (select array_agg(a.attname::text order by k.n)
            from unnest(cols) with ordinality k(col, n)
            join pg_attribute a on a.attrelid = t.oid and a.attnum = k.col),
         pgtide.columns_of(t.oid), old_rows, t.relfilenode, p.partitions, p.filenodes, cols, given,
         ignore_rls, o.rolname, pgtide.labels_of(t.oid)
    from pg_class t join pg_namespace s on s.oid = t.relnamespace
    join pg_roles o on o.oid = t.relowner,
         pgtide.partitions_of(t.oid) p
   where t.oid = $1
  on conflict (id) do update set
    name = excluded.name, relation = excluded.relation, table_schema = excluded.table_schema,
    table_name = excluded.table_name, key = excluded.key, columns = excluded.columns,
    old_rows = excluded.old_rows, filenode = excluded.filenode, partitions = excluded.partitions,
    filenodes = excluded.filenodes, key_columns = excluded.key_columns,
    key_given = excluded.key_given, ignore_rls = excluded.ignore_rls,
    table_owner = excluded.table_owner, looked_at = clock_timestamp()
  returning w.id
$$;

-- Drops capture functions and the triggers that hang on them, wherever those are: to own the
-- functions suffices. It waits until then for all of it. Null: they are gone; else the table that
-- was not to be had.
create or replace function pgtide.try_drop(functions regprocedure[], until timestamptz)
returns regclass
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  before constant text := current_setting('lock_timeout');
  tables regclass[];
  others regclass[];  -- of other owners: DROP FUNCTION waits for each
  busy regclass;
  f regprocedure;
begin
  select coalesce(array_agg(distinct t.oid::regclass) filter (where o.own and g.tgparentid = 0),
                  '{}'),
         coalesce(array_agg(distinct t.oid::regclass) filter (where not o.own), '{}')
    into tables, others
    from pg_trigger g join pg_class t on t.oid = g.tgrelid
   cross join lateral (select pg_has_role(current_user, t.relowner, 'USAGE') as own) o
   where g.tgfoid = any (functions);
  busy := pgtide.try_locks(tables, 'access exclusive', until);
  if busy is not null then return busy; end if;
  begin
    busy := coalesce(others[1], tables[1], 'pgtide.fingerprint');
    perform set_config('lock_timeout',
                       pgtide.time_for_waits(until, cardinality(others) + 8), true);
    foreach f in array functions loop
      delete from pgtide.fingerprint p where p.function = f::text;
      execute format('drop function %s cascade', f);
    end loop;
    perform set_config('lock_timeout', before, true);
    return null;
  exception when lock_not_available or deadlock_detected then
    return busy;
  end;
end $$;

create or replace function pgtide.drop_functions(functions regprocedure[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  patience constant interval := pgtide.patience();
  busy regclass;
begin
  loop
    begin
      busy := pgtide.try_drop(functions, pgtide.end_of_try());
      exit when busy is null;
      -- Here ends what has the locks.
      raise exception 'table % is locked', busy using errcode = '55P03';
    exception when lock_not_available then
      perform pgtide.give_up_after(patience, busy);
    end;
    perform pg_sleep(0.05 + random() * 0.2);
  end loop;
end $$;

-- Ends a collection by its name, whether its table still exists or not.
create or replace function pgtide.forget(collection text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  c int;
begin
  perform pgtide.take_watch_turn();
  select w.id into c from pgtide.collection w where w.name = forget.collection;
  if not found then
    raise exception 'no collection is called %', collection using errcode = '42704',
      hint = 'select name from pgtide.collection lists them.';
  end if;
  perform pgtide.drop_functions(pgtide.functions_of(c));
  perform pgtide.mark_changed(c);
  delete from pgtide.collection w where w.id = c;
  perform pgtide.tell('pgtide_catalog', '');
end $$;

create or replace function pgtide.unwatch(relation regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  collection text;
begin
  select w.name into collection from pgtide.collection w where w.relation = unwatch.relation;
  if not found then
    raise exception 'table % is not watched', relation using errcode = '42704';
  end if;
  perform pgtide.forget(collection);
end $$;
