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

-- Writes the two functions anew, as the capture role where they are its already. From a dump they
-- may have come with another owner, a superuser, as whom nothing is logged; whoever owns the schema
-- may drop them, and who might execute them keeps that right.
create or replace function pgtide.write_broadcasts() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  -- Before anything else: code of the schema must not run with rights that are not the role's own.
  guard constant text := format($x$
  if current_user <> %1$L then
    raise exception 'this function runs as role %%, not as %%: it was restored from a dump',
      current_user, %1$L using errcode = '55000', hint = 'pgtide install';
  end if;
  if data is null then
    raise exception 'an event needs data' using errcode = '22023';
  end if;
  if octet_length(data::text) > 1048576 then
    raise exception 'an event''s data may have 1 MiB, this has %% bytes', octet_length(data::text)
      using errcode = '22023';
  end if;$x$, pgtide.runs_as());
  f record;
  known regprocedure;
  who text[];
  other text;
begin
  for f in select * from (values
    ('pgtide_api.broadcast_all(json)', 'pgtide_api.broadcast_all(data json)',
     format($x$
begin%s
  perform pgtide.append(0, 'x', null, 2, null, null, null, data);
end $x$, guard)),
    ('pgtide_api.broadcast(text,json)', 'pgtide_api.broadcast(collection text, data json)',
     format($x$
begin%s
  if not pgtide.is_collection_name(collection) then
    raise exception '"%%" is no name of a collection: letters, digits and _, at most 63, '
      'not beginning with a digit', collection using errcode = '22023';
  end if;
  perform pgtide.append(0, 'x', collection, 2, null, null, null, data);
end $x$, guard))) v(name, head, body)
  loop
    known := to_regprocedure(f.name);
    who := '{}';
    if known is not null and not (
         select pg_has_role(current_user, p.proowner, 'MEMBER') from pg_proc p where p.oid = known)
    then
      select coalesce(array_agg(distinct quote_ident(g.rolname)), '{}') into who
        from pg_proc p cross join lateral aclexplode(p.proacl) a
        join pg_roles g on g.oid = a.grantee
       where p.oid = known and a.grantee <> p.proowner;
      execute format('drop function %s cascade', known);
      known := null;
    end if;
    perform pgtide.as_owner(format('create or replace function %s returns void language plpgsql '
      'security definer set search_path = pg_catalog, pg_temp as %L', f.head, f.body), known);
    continue when known is not null;
    -- What ALTER DEFAULT PRIVILEGES gives to others on a new function.
    for other in select distinct coalesce(quote_ident(g.rolname), 'public')
                   from pg_proc p
                  cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                   left join pg_roles g on g.oid = a.grantee
                  where p.oid = to_regprocedure(f.name) and a.grantee <> p.proowner loop
      execute format('revoke all on function %s from %s cascade', f.name, other);
    end loop;
    foreach other in array who loop
      execute format('grant execute on function %s to %s', f.name, other);
    end loop;
  end loop;
end $$;

select pgtide.write_broadcasts();
