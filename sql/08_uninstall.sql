-- Takes pgtide out of the database without a trace. The caller owns the schema, or is a member of
-- its owner. Where writers are busy, unwatch each table first, each in a transaction of its own, as
-- `pgtide uninstall` does: this function needs all their tables at one moment.
set search_path = pg_catalog, pg_temp;

create or replace function pgtide.uninstall() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  role name;
  mine name := (select nspowner::regrole::text from pg_namespace where nspname = 'pgtide');
  tables regclass[];
begin
  if not pg_has_role(current_user, (select nspowner from pg_namespace where nspname = 'pgtide'),
                     'USAGE') then
    raise exception 'pgtide was installed by %, and % is not a member of it', mine, current_user
      using errcode = '42501', hint = format('GRANT %s TO %I;', mine, current_user);
  end if;
  select capture_role into role from pgtide.meta;
  select coalesce(array_agg(distinct g.tgrelid::regclass), '{}') into tables
    from pg_trigger g join pg_proc p on p.oid = g.tgfoid
   where p.pronamespace = 'pgtide'::regnamespace and g.tgparentid = 0
     and pg_has_role(current_user, (select relowner from pg_class where oid = g.tgrelid), 'USAGE');
  perform pgtide.lock_patiently(
    tables || array['pgtide.log0', 'pgtide.log1', 'pgtide.log2', 'pgtide.tick0', 'pgtide.tick1',
                    'pgtide.tick2']::regclass[], 'access exclusive');
  set local client_min_messages = warning;
  begin
    perform set_config('lock_timeout', '5s', true);
    drop schema pgtide cascade;
    if exists (select from pg_namespace where nspname = 'pgtide_api'
                  and pg_has_role(current_user, nspowner, 'USAGE')) then
      drop schema pgtide_api cascade;
    end if;
  exception when lock_not_available then
    raise exception 'something in schema pgtide stayed locked for 5 s' using errcode = '55P03',
      hint = coalesce((select format('%s: %s', f.wrong, f.mend) from pgtide.foreign_locks() f
                        limit 1),
                      (select format('It is held by %s: %s', r.who, r.mend)
                         from pgtide.row_holders() r limit 1),
                      'See pg_locks and pg_stat_activity, and try again later.');
  end;
  -- The role stays while another database of the cluster uses it.
  if role is not null and not exists (
       select from pg_shdepend d join pg_roles r on r.oid = d.refobjid
        where d.refclassid = 'pg_authid'::regclass and r.rolname = role) then
    begin
      execute format('drop role %I', role);
    exception when insufficient_privilege or dependent_objects_still_exist then
      raise warning 'role % stays: % may not drop it', role, current_user
        using hint = format('DROP ROLE %I;', role);
    end;
  end if;
end $$;
