-- Custom events, written to the log inside the caller's transaction. EXECUTE is revoked from
-- PUBLIC:
--   grant usage on schema pgtide to app;
--   grant execute on function pgtide.broadcast(text, json), pgtide.broadcast_all(json) to app;
set search_path = pg_catalog, pg_temp;

-- Written anew they are by the capture role, where that has them already (pgtide.as_owner).
do $$
declare
  role constant name := (select m.capture_role from pgtide.meta m);
begin
  if role = (select r.rolname from pg_proc p join pg_roles r on r.oid = p.proowner
              where p.oid = to_regprocedure('pgtide.broadcast_all(json)')) then
    execute format('grant create on schema pgtide to %I', role);
    perform set_config('role', role, false);
  end if;
end $$;

create or replace function pgtide.broadcast_all(data json) returns void
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

create or replace function pgtide.broadcast(collection text, data json) returns void
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
begin
  if starts_with(current_user, 'pgtide_capture_') then
    perform set_config('role', owner, false);
    execute format('revoke create on schema pgtide from %I',
                   (select m.capture_role from pgtide.meta m));
  end if;
end $$;
