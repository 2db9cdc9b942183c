-- Locks: whose turn it is, and strangers that hold what we need.
set search_path = pg_catalog, pg_temp;

-- Takes a turn until the end of the transaction; false: another one has it. Never waits.
create or replace function pgtide.try_turn(turn text) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform from pgtide.turn t where t.what = turn for update nowait;
  if not found then
    raise exception 'table pgtide.turn lacks its row %', turn using errcode = '55000',
      hint = 'pgtide install';
  end if;
  return true;
exception when lock_not_available then
  return false;
end $$;

-- Who has a turn, and does not wait for one: to lead is a matter of one statement.
create or replace function pgtide.holders_of_turn(older_than interval default '0')
returns table (pid int, who text)
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select h.pid, h.who
    from pgtide.lock_holders('pgtide.turn',
                             '{RowShareLock,ExclusiveLock,AccessExclusiveLock}') h
    join pg_stat_activity a on a.pid = h.pid
   where not exists (select from pg_locks w where w.pid = h.pid and not w.granted)
     and a.xact_start <= clock_timestamp() - older_than
$$;

-- Takes the turn to write what is watched, and what those who write there need besides.
create or replace function pgtide.take_watch_turn() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  before constant text := current_setting('lock_timeout');
  patience constant interval := pgtide.patience();
begin
  begin
    perform set_config('lock_timeout',
                       ceil(extract(epoch from patience) * 1000)::bigint::text, true);
    perform from pgtide.turn t where t.what = 'watch' for update;
    perform set_config('lock_timeout', before, true);
  exception when lock_not_available then
    raise exception 'another watch, unwatch or install was at work for %', patience
      using errcode = '55P03',
      hint = coalesce((select format('It is that of %s. Try again later.', string_agg(h.who, ', '))
                         from pgtide.holders_of_turn() h), 'Try again later.');
  end;
  perform pgtide.lock_patiently(array['pgtide.collection'::regclass], 'row exclusive');
end $$;

-- The same for the look, which never waits.
create or replace function pgtide.try_watch_turn() returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if not pgtide.try_turn('watch') then return false; end if;
  lock table pgtide.collection in row exclusive mode nowait;
  return true;
exception when lock_not_available then
  return false;
end $$;

-- The schema's tables and views, each with what may be locked of it: itself, its indexes, its TOAST
-- table and that one's.
create or replace function pgtide.own_relations() returns table (locked oid, relname name)
language sql stable rows 60 set search_path = pg_catalog, pg_temp set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select l.locked, c.relname
    from pgtide.own_objects() o
    join pg_class c on c.oid = o.object and c.relkind in ('r', 'v')
                   and c.relnamespace = 'pgtide'::regnamespace
   cross join lateral (
         select c.oid union all select c.reltoastrelid
         union all select i.indexrelid from pg_index i where i.indrelid = c.oid
         union all select i.indexrelid from pg_index i where i.indrelid = c.reltoastrelid) l(locked)
   where o.class = 'pg_class'::regclass
$$;

-- Locks on the schema's tables, views and indexes that a role has which is no member of the
-- schema's owner: nextval() and currval() of a relation's number take one before they look at
-- rights, and keep it until the transaction ends. They keep us from TRUNCATE and ALTER TABLE. A
-- writer has one of the kind on the log that it writes: so there only those on a log that all
-- writers have left. So do locks of those who read: of table_to_xmlschema(), for any role, and of a
-- backup. They count on a table that is due to be emptied and is not, where the transaction has
-- lasted for as long as we have patience: on a log, or where its age is hidden from us; ten minutes
-- on ticks, which are due for long and cost little.
create or replace function pgtide.foreign_locks() returns table (wrong text, mend text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  h record;
begin
  for h in
    select a.pid, x.gid, r.rolname, l.mode = 'AccessShareLock' as reads,
           min(coalesce(a.xact_start, x.prepared)) as since,
           array_agg(distinct c.relname::text order by c.relname::text) as tables
      from pg_locks l
      join pgtide.own_relations() c on c.locked = l.relation
      join pg_namespace n on n.nspname = 'pgtide'
      left join pg_stat_activity a on a.pid = l.pid
      left join pg_locks own on l.pid is null and own.pid is null and own.granted
        and own.locktype = 'transactionid' and own.virtualtransaction = l.virtualtransaction
      left join pg_prepared_xacts x on x.transaction = own.transactionid
      join pg_roles r on r.oid = a.usesysid or r.rolname = x.owner
     where l.locktype = 'relation' and l.granted
       and l.database = (select oid from pg_database where datname = current_database())
       and not starts_with(c.relname, 'own_log')
       and not pg_has_role(r.oid, n.nspowner, 'MEMBER')
     group by a.pid, x.gid, r.rolname, l.mode = 'AccessShareLock'
  loop
    if h.reads then
      h.tables := array(
        select format('log%s', o.log) from pgtide.rotation o, pgtide.meta m, pgtide.tick t
         where t.n = m.horizon and o.seal < pg_snapshot_xmin(t.snapshot)
           and o.seal < pg_snapshot_xmin(pg_current_snapshot())
           and format('log%s', o.log) = any (h.tables)
           and coalesce(h.since <= clock_timestamp() - pgtide.patience(), true)
        union all
        select format('tick%s', e.number)
          from (select 0, max(n) from pgtide.tick0 union all select 1, max(n) from pgtide.tick1
                union all select 2, max(n) from pgtide.tick2) e(number, highest), pgtide.meta m
         where e.highest < m.horizon and format('tick%s', e.number) = any (h.tables)
           and h.since <= clock_timestamp() - interval '10 minutes');
    elsif h.tables && array['log0', 'log1', 'log2'] then
      h.tables := array(
        select u from unnest(h.tables) u
         where u not in ('log0', 'log1', 'log2') or exists (
                 select from pgtide.rotation o
                  where u = format('log%s', o.log)
                    and o.log <> pg_sequence_last_value('pgtide.current')
                    and o.seal < pg_snapshot_xmin(pg_current_snapshot())));
    end if;
    continue when cardinality(h.tables) = 0;
    wrong := format('%s of role %I holds a lock on %s of schema pgtide',
                    coalesce('process ' || h.pid,
                             'prepared transaction ' || pgtide.visible_literal(h.gid)),
                    h.rolname, array_to_string(h.tables, ', '));
    mend := case when h.gid is null then format('SELECT pg_terminate_backend(%s);', h.pid)
                 else format('ROLLBACK PREPARED %s;', pgtide.visible_literal(h.gid)) end;
    return next;
  end loop;
end $$;

-- What keeps log tables that the writers have left from being emptied, with its mend, up to five of
-- them: transactions that began before the last one was left, and whoever has one locked. Null:
-- nothing.
create or replace function pgtide.log_held() returns text
language sql volatile set search_path = pg_catalog, pg_temp as $$
  select string_agg(h.who || ': ' || h.mend, '; also: ' order by h.who)
    from (select distinct
                 case when a.pid is not null
                        then format('%s of role %I %s',
                                    pgtide.named_backend(a.pid, a.application_name), a.usename,
                                    o.does)
                      else format('prepared transaction %s of role %I %s',
                                  pgtide.visible_literal(x.gid), x.owner, o.does) end as who,
                 case when a.pid is not null
                        then format('SELECT pg_terminate_backend(%s);', a.pid)
                      else format('ROLLBACK PREPARED %s;',
                                  pgtide.visible_literal(x.gid)) end as mend
            from (select l.pid, l.virtualtransaction, 'wrote before the last switch' as does
                    from pg_locks l, (select r.seal from pgtide.rotation r where r.seal is not null
                                     order by r.seal desc limit 1) s
                   where l.locktype = 'transactionid' and l.granted and l.mode = 'ExclusiveLock'
                     and age(l.transactionid) >= age(s.seal::xid)
                  union
                  select l.pid, l.virtualtransaction, format('has log%s locked', r.log)
                    from pg_locks l, pgtide.rotation r
                   where l.relation = format('pgtide.log%s', r.log)::regclass and l.granted
                     and r.seal is not null and l.database = (
                           select oid from pg_database where datname = current_database())) o
            left join pg_stat_activity a on a.pid = o.pid
            left join pg_locks own on o.pid is null and own.pid is null and own.granted
              and own.locktype = 'transactionid' and own.virtualtransaction = o.virtualtransaction
            left join pg_prepared_xacts x on x.transaction = own.transactionid
           where o.pid is distinct from pg_backend_pid()
             and (a.pid is not null or x.gid is not null)
           order by 1 limit 5) h
$$;
