-- Rotation: three log tables, of which one is written, and nobody ever waits for a TRUNCATE.
--
-- The leader calls, each in a statement of its own: switch_log(), then seal_log() with a new xid;
-- once pg_snapshot_xmin(pg_current_snapshot()) is past the seal no writer of the old table is left.
-- When retention's lowest tick covers the table (its snapshot's xmin is past the seal),
-- set_horizon(tick), committed, then empty_log(table). A reader reads its batch first and
-- meta.horizon in a new statement after it.
set search_path = pg_catalog, pg_temp;

-- Lets the writers take the next log table; its number, or null while that one is not empty yet.
create or replace function pgtide.switch_log() returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  old_log constant int := pg_sequence_last_value('pgtide.current');
  new_log constant int := (old_log + 1) % 3;
begin
  if pgtide.has_rows(new_log) then return null; end if;
  update pgtide.rotation set seal = null, switched_at = null where log = new_log;
  update pgtide.rotation set seal = null, switched_at = clock_timestamp() where log = old_log;
  update pgtide.meta set rotated_at = clock_timestamp();
  perform setval('pgtide.switched', 9223372036854775807);
  perform setval('pgtide.current', new_log);
  return new_log;
end $$;

create or replace function pgtide.has_rows(log int) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case log when 0 then exists (select from pgtide.log0)
                  when 1 then exists (select from pgtide.log1)
                  else exists (select from pgtide.log2) end
$$;

-- After switch_log() committed: notes an xid that no one is younger than who still writes the old
-- tables, for rotation and for the writers (pgtide.may_be_in). A leader that died between the two
-- leaves this to the next one; and so does one that died before switch_log() committed, since
-- setval is not undone: then rows alone show that a table was left. It waits for nobody who
-- switches at this moment, or its xid would be one from before; null: not now.
drop function if exists pgtide.seal_log() cascade;
create function pgtide.seal_log() returns xid8
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  fresh constant boolean := pg_current_xact_id_if_assigned() is null;
begin
  perform from pgtide.meta for update skip locked;
  if not found or not fresh then return null; end if;
  perform setval('pgtide.switched', txid_current());
  update pgtide.rotation
     set seal = pg_current_xact_id(), switched_at = coalesce(switched_at, clock_timestamp())
   where seal is null and log <> pg_sequence_last_value('pgtide.current')
     and (switched_at is not null or pgtide.has_rows(log));
  return pg_current_xact_id();
end $$;

-- The newest tick that was made up to that moment; null: none. Ticks are as old as their numbers
-- say, so this halves: a walk from the newest on would visit millions.
create or replace function pgtide.tick_before(moment timestamptz) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  low bigint := (select min(n) from pgtide.tick);
  high bigint := (select max(n) from pgtide.tick);
  middle bigint;
  found_n bigint;
  found_at timestamptz;
begin
  if (select at from pgtide.tick where n = low) > moment then return null; end if;
  while low < high loop
    middle := high - (high - low) / 2;
    select n, at into found_n, found_at from pgtide.tick where n <= middle order by n desc limit 1;
    if found_at <= moment then low := middle; else high := found_n - 1; end if;
  end loop;
  return (select max(n) from pgtide.tick where n <= low);
end $$;

create or replace function pgtide.set_horizon(tick bigint) returns void
language sql set search_path = pg_catalog, pg_temp as $$
  update pgtide.meta set horizon = tick where horizon < tick
$$;

-- Empties a log table that is sealed and lies at or below the horizon; false: not now. TRUNCATE
-- also locks indexes and the TOAST table, and no reader may wait behind it meanwhile.
create or replace function pgtide.empty_log(number int) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '10ms' as $$
begin
  if number = pg_sequence_last_value('pgtide.current') or not coalesce((
       select pg_snapshot_xmin(t.snapshot) > r.seal
          and pg_snapshot_xmin(pg_current_snapshot()) > r.seal
         from pgtide.rotation r, pgtide.meta m, pgtide.tick t
        where r.log = number and t.n = m.horizon), false) then
    return false;
  end if;
  execute format('lock table pgtide.log%s in access exclusive mode nowait', number);
  execute format('truncate pgtide.log%s', number);
  update pgtide.rotation set seal = null, switched_at = null where log = number;
  return true;
exception when lock_not_available then
  return false;
end $$;

-- Empties a tick table whose ticks all lie below the horizon; false: not now. The leader does this
-- before the first tick of a block (ticks_per_table in src/capture/change_query.hpp) that would lie
-- there.
create or replace function pgtide.empty_ticks(number int) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '10ms' as $$
declare
  highest bigint;
begin
  execute format('select max(n) from pgtide.tick%s', number) into highest;
  if highest >= (select horizon from pgtide.meta) then return false; end if;
  execute format('lock table pgtide.tick%s in access exclusive mode nowait', number);
  execute format('truncate pgtide.tick%s', number);
  return true;
exception when lock_not_available then
  return false;
end $$;

-- Begins the log anew under another epoch: after a dump was restored into another cluster its xids
-- mean nothing any more, and after its sequence was set back its ids do not. Every cursor from
-- before expires. `was`: only where the epoch is still this one.
drop function if exists pgtide.begin_anew();
create or replace function pgtide.begin_anew(was bigint default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '100ms' as $$
declare
  patience constant interval := pgtide.patience();
  until timestamptz;
  busy regclass;
begin
  loop
    begin
      until := pgtide.end_of_try();
      busy := pgtide.try_locks(
        array['pgtide.log0', 'pgtide.log1', 'pgtide.log2', 'pgtide.tick0', 'pgtide.tick1',
              'pgtide.tick2']::regclass[], 'access exclusive', until);
      if busy is null then
        if was <> (select epoch from pgtide.meta) then return; end if;
        -- TRUNCATE waits for their indexes, and for TOAST tables and theirs: strangers lock those.
        busy := 'pgtide.log0';
        perform set_config('lock_timeout', pgtide.time_for_waits(until, 16), true);
        truncate pgtide.log0, pgtide.log1, pgtide.log2, pgtide.tick0, pgtide.tick1, pgtide.tick2;
        exit;
      end if;
    exception when lock_not_available or deadlock_detected then null;
    end;
    perform pgtide.give_up_after(patience, busy);
    perform pg_sleep(0.05 + random() * 0.2);
  end loop;
  perform set_config('lock_timeout', '100ms', true);
  update pgtide.rotation set seal = null, switched_at = null;
  perform setval('pgtide.switched', 9223372036854775807);
  update pgtide.meta m
     set epoch = pgtide.random_bigint(), horizon = 0, rotated_at = clock_timestamp(),
         system_identifier = (select s.system_identifier from pg_control_system() s),
         database_oid = (select oid from pg_database where datname = current_database());
end $$;
