-- Custom events, written to the log inside the caller's transaction. They lie in a schema of their
-- own, for whoever may use schema pgtide may do harm there. EXECUTE is revoked from PUBLIC:
--   grant usage on schema pgtide_api to app;
--   grant execute on function pgtide_api.broadcast(text, json), pgtide_api.broadcast_all(json)
--     to app;
set search_path = pg_catalog, pg_temp;

-- An installation from before has them in schema pgtide; who may execute them keeps that right.
-- What ALTER DEFAULT PRIVILEGES gives to others on the new schema is taken away.
do $$
declare
  f text;
  who text;
  role constant name := (select m.capture_role from pgtide.meta m);
begin
  if to_regprocedure('pgtide_api.broadcast_all(json)') is not null then return; end if;
  for who in select coalesce(quote_ident(g.rolname), 'public')
               from pg_namespace n cross join lateral aclexplode(n.nspacl) a
               left join pg_roles g on g.oid = a.grantee
              where n.nspname = 'pgtide_api' and a.grantee <> n.nspowner group by 1 loop
    execute format('revoke all on schema pgtide_api from %s cascade', who);
  end loop;
  foreach f in array '{"broadcast(text,json)",broadcast_all(json)}'::text[] loop
    continue when to_regprocedure('pgtide.' || f) is null;
    if role is not null then
      execute format('grant create on schema pgtide_api to %I', role);  -- grant_rights() revokes it
    end if;
    perform pgtide.as_owner(format('alter function pgtide.%s set schema pgtide_api', f),
                            ('pgtide.' || f)::regprocedure);
    for who in select quote_ident(g.rolname)
                 from pg_proc p cross join lateral aclexplode(p.proacl) a
                 join pg_roles g on g.oid = a.grantee
                where p.oid = ('pgtide_api.' || f)::regprocedure and a.grantee <> p.proowner
               union
               select quote_ident(g.rolname)
                 from pg_namespace n cross join lateral aclexplode(n.nspacl) a
                 join pg_roles g on g.oid = a.grantee
                where n.nspname = 'pgtide' and a.privilege_type = 'USAGE'
                  and has_function_privilege(g.oid, ('pgtide_api.' || f)::regprocedure, 'EXECUTE')
    loop
      execute format('grant usage on schema pgtide_api to %s', who);
    end loop;
  end loop;
end $$;

-- Written anew they are by the capture role, where that has them already and who installs does not
-- inherit from it (pgtide.as_owner).
do $$
declare
  role constant name := (select m.capture_role from pgtide.meta m);
begin
  perform set_config('pgtide.made_now', case
    when to_regprocedure('pgtide_api.broadcast_all(json)') is null then 'on' else 'off' end, false);
  if role = (select r.rolname from pg_proc p join pg_roles r on r.oid = p.proowner
              where p.oid = to_regprocedure('pgtide_api.broadcast_all(json)'))
     and not pg_has_role(current_user, role, 'USAGE') then
    execute format('grant usage, create on schema pgtide_api to %I', role);
    perform set_config('role', role, false);
  end if;
end $$;

create or replace function pgtide_api.broadcast_all(data json) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if data is null then
    raise exception 'an event needs data' using errcode = '22023';
  end if;
  if octet_length(data::text) > 1048576 then
    raise exception 'an event''s data may have 1 MiB, this has % bytes', octet_length(data::text)
      using errcode = '22023';
  end if;
  perform pgtide.append(0, 'x', null, 2, null, null, null, data);
end $$;

create or replace function pgtide_api.broadcast(collection text, data json) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not pgtide.is_collection_name(collection) then
    raise exception '"%" is no name of a collection: letters, digits and _, at most 63, '
      'not beginning with a digit', collection using errcode = '22023';
  end if;
  if data is null then
    raise exception 'an event needs data' using errcode = '22023';
  end if;
  if octet_length(data::text) > 1048576 then
    raise exception 'an event''s data may have 1 MiB, this has % bytes', octet_length(data::text)
      using errcode = '22023';
  end if;
  perform pgtide.append(0, 'x', collection, 2, null, null, null, data);
end $$;

do $$
declare
  owner constant name := (select r.rolname from pg_namespace n join pg_roles r on r.oid = n.nspowner
                           where n.nspname = 'pgtide');
  who text;
begin
  if starts_with(current_user, 'pgtide_capture_') then
    perform set_config('role', owner, false);
    execute format('revoke create on schema pgtide_api from %I',
                   (select m.capture_role from pgtide.meta m));
  end if;
  if current_setting('pgtide.made_now') = 'on' then
    for who in select format('%s from %s', p.oid::regprocedure,
                             coalesce(quote_ident(g.rolname), 'public'))
                 from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                cross join lateral aclexplode(p.proacl) a
                 left join pg_roles g on g.oid = a.grantee
                where n.nspname = 'pgtide_api' and p.proname in ('broadcast', 'broadcast_all')
                  and a.grantee <> p.proowner loop
      execute format('revoke all on function %s cascade', who);
    end loop;
  end if;
end $$;
