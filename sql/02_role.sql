-- The role that the capture functions run as: it may append to the log and nothing else, since a
-- cast to json that some application role defined runs inside them. A role belongs to the whole
-- cluster, so databases share it.
set search_path = pg_catalog, pg_temp;

create or replace function pgtide.prepare_role() returns name
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  role constant name := 'pgtide_capture';
  mend text := format('GRANT %I TO %I WITH ADMIN OPTION;', role, current_user);
  can_set boolean;
begin
  if not exists (select from pg_roles where rolname = role) then
    begin
      execute format('create role %I nologin noinherit', role);
    exception
      when insufficient_privilege then
        raise warning 'role % may not create roles, so the capture functions run as % itself: '
          'a cast to json that another role defined would run with its rights', current_user,
          current_user using hint = format('ALTER ROLE %I CREATEROLE; then install again, or as a '
          'superuser: CREATE ROLE %I NOLOGIN NOINHERIT; %s', current_user, role, mend);
        return null;
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if (select rolsuper or rolcanlogin or rolcreaterole or rolcreatedb or rolbypassrls
        from pg_roles where rolname = role) then
    raise exception 'role % exists and may do more than capture needs', role
      using errcode = '55000',
      hint = format('ALTER ROLE %I NOSUPERUSER NOLOGIN NOCREATEROLE NOCREATEDB NOBYPASSRLS;', role);
  end if;
  can_set := pg_has_role(current_user, role, 'USAGE');
  if can_set and current_setting('server_version_num')::int >= 160000 then
    execute format('select pg_has_role(current_user, %L, ''SET'')', role) into can_set;
  end if;
  if not can_set then
    begin
      execute format('grant %I to %I %s', role, current_user,
        case when current_setting('server_version_num')::int >= 160000
             then 'with inherit true, set true' else '' end);
    exception when insufficient_privilege then
      raise warning 'role % exists and % is not a member of it, so the capture functions run as % '
        'itself: a cast to json that another role defined would run with its rights',
        role, current_user, current_user using hint = mend || ' Then install again.';
      return null;
    end;
  end if;
  return role;
end $$;

update pgtide.meta set capture_role = pgtide.prepare_role();

-- The log is read by the role that installed, and by its members. Default privileges may have given
-- it to others.
create or replace function pgtide.grant_rights() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  role name := (select capture_role from pgtide.meta);
  object record;
begin
  for object in
    select c.relname, c.relkind, g.rolname
      from pg_class c
     cross join lateral aclexplode(c.relacl) a
      left join pg_roles g on g.oid = a.grantee
     where c.relnamespace = 'pgtide'::regnamespace and c.relkind in ('r', 'S', 'v')
       and a.grantee <> c.relowner and g.rolname is distinct from role
     group by 1, 2, 3
  loop
    execute format('revoke all on %s pgtide.%I from %s',
                   case object.relkind when 'S' then 'sequence' else 'table' end,
                   object.relname, coalesce(quote_ident(object.rolname), 'public'));
  end loop;
  revoke execute on all functions in schema pgtide from public;
  if role is null then return; end if;
  execute format('grant usage on schema pgtide to %I', role);
  execute format('revoke create on schema pgtide from %I', role);
  execute format('grant insert, select, update (id, old_tid) on pgtide.log0, pgtide.log1, '
                 'pgtide.log2 to %I', role);
  execute format('grant select on pgtide.log to %I', role);
  execute format('grant select on sequence pgtide.current, pgtide.armed to %I', role);
  execute format('grant usage on sequence pgtide.change_id to %I', role);
end $$;

-- Gives a function to the capture role and takes it from everybody else. ALTER FUNCTION ... OWNER
-- TO wants the new owner to have CREATE on the schema; it has it for this statement only, or code
-- that runs as the capture role could put functions here, and the installer would call them.
create or replace function pgtide.hand_over(function regprocedure) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  capture_role constant name := (select m.capture_role from pgtide.meta m);
  role constant name := coalesce(capture_role, (
    select r.rolname from pg_namespace n join pg_roles r on r.oid = n.nspowner
     where n.nspname = 'pgtide'));
begin
  execute format('revoke execute on function %s from public', function);
  if (select proowner from pg_proc where oid = function)
     is not distinct from (select oid from pg_roles where rolname = role) then
    return;
  end if;
  if capture_role is not null then
    execute format('grant create on schema pgtide to %I', capture_role);
  end if;
  execute format('alter function %s owner to %I', function, role);
  if capture_role is not null then
    execute format('revoke create on schema pgtide from %I', capture_role);
  end if;
end $$;
