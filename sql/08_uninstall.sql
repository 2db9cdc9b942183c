-- Takes pgtide out of the database without a trace. The caller owns the schema, or is a member of
-- its owner. Where writers are busy, unwatch each table first, each in a transaction of its own, as
-- `pgtide uninstall` does: this function needs all their tables at one moment.
set search_path = pg_catalog, pg_temp;

create or replace function pgtide.uninstall() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  capture name;
  before constant text := current_setting('role');
  mine name := (select nspowner::regrole::text from pg_namespace where nspname = 'pgtide');
  tables regclass[];
  patience constant interval := least(pgtide.patience(), interval '5 s');
  until timestamptz;
  waits bigint;  -- as many as there may be
begin
  if not pg_has_role(current_user, (select nspowner from pg_namespace where nspname = 'pgtide'),
                     'USAGE') then
    raise exception 'pgtide was installed by %, and % is not a member of it', mine, current_user
      using errcode = '42501', hint = format('GRANT %s TO %I;', mine, current_user);
  end if;
  select capture_role into capture from pgtide.meta;
  select coalesce(array_agg(distinct g.tgrelid::regclass), '{}') into tables
    from pg_trigger g join pg_proc p on p.oid = g.tgfoid
   where p.pronamespace = 'pgtide'::regnamespace and g.tgparentid = 0
     and pg_has_role(current_user, (select relowner from pg_class where oid = g.tgrelid), 'USAGE');
  -- `current` first: every bridge's statement locks it before anything else (schema_guard() in
  -- src/capture/schema_owner.hpp).
  perform pgtide.lock_patiently(
    array['pgtide.current']::regclass[] || tables || array[
      'pgtide.log0', 'pgtide.log1', 'pgtide.log2', 'pgtide.tick0', 'pgtide.tick1',
      'pgtide.tick2']::regclass[], 'access exclusive');
  set local client_min_messages = warning;
  -- All waits together end by then, one after the other, since writers wait meanwhile.
  until := clock_timestamp() + patience;
  select count(*) into waits
    from pg_depend d join pg_namespace n on n.oid = d.refobjid
   where d.refclassid = 'pg_namespace'::regclass and n.nspname in ('pgtide', 'pgtide_api');
  loop
    begin
      perform set_config('lock_timeout', pgtide.time_for_waits(until, waits), true);
      drop schema pgtide cascade;
      if exists (select from pg_namespace where nspname = 'pgtide_api'
                    and pg_has_role(current_user, nspowner, 'USAGE')) then
        drop schema pgtide_api cascade;
      end if;
      exit;
    exception when lock_not_available or deadlock_detected then
      if clock_timestamp() > until then
        raise exception 'something in schema pgtide stayed locked for %', patience
          using errcode = '55P03',
          hint = coalesce((select format('%s: %s', f.wrong, f.mend) from pgtide.foreign_locks() f
                            limit 1),
                          (select format('It is held by %s: %s', r.who, r.mend)
                             from pgtide.row_holders() r limit 1),
                          'See pg_locks and pg_stat_activity, and try again later.');
      end if;
    end;
    perform pg_sleep(0.05);
  end loop;
  if not exists (select from pg_roles r where r.rolname = capture) then return; end if;
  -- Anybody may have granted it anything, in any database. That keeps it; here it is taken away, as
  -- far as we may: what others have granted a superuser takes.
  begin
    perform set_config('lock_timeout', '2s', true);
    perform set_config('client_min_messages', 'error', true);
    if not (select r.rolsuper from pg_roles r where r.rolname = current_user) then
      perform set_config('role', capture, true);
    end if;
    execute format('drop owned by %I', capture);
    perform set_config('role', before, true);
    perform set_config('client_min_messages', 'warning', true);
    execute format('drop role %I', capture);
  exception
    when lock_not_available then
      raise warning 'role % stays: a transaction that has to do with it has not ended%', capture, (
          select ': ' || string_agg(format('process %s (%s)', a.pid,
                                                 quote_literal(left(a.application_name, 20))), ', ')
            from pg_locks l join pg_stat_activity a on a.pid = l.pid
           where l.locktype = 'object' and l.classid = 'pg_authid'::regclass and l.granted
             and l.objid = (select oid from pg_roles r where r.rolname = capture)
             and l.pid <> pg_backend_pid())
        using hint = format('Later: DROP OWNED BY %1$I; DROP ROLE %1$I;', capture);
    when dependent_objects_still_exist then
      raise warning 'role % stays: it owns or was granted something in database %', capture, (
          select string_agg(distinct coalesce(d.datname, current_database())::text, ', ')
            from pg_shdepend s left join pg_database d on d.oid = s.dbid
           where s.refclassid = 'pg_authid'::regclass
             and s.refobjid = (select oid from pg_roles r where r.rolname = capture))
        using hint = format('There, as a superuser: DROP OWNED BY %1$I; DROP ROLE %1$I;', capture);
    when others then
      raise warning 'role % stays, and % could not drop it: %', capture, current_user, sqlerrm
        using hint = format('DROP OWNED BY %1$I; DROP ROLE %1$I;', capture);
  end;
end $$;
