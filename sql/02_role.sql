-- The role that the capture functions run as, one for each database of the cluster: it may append
-- to the log, reads of it what its own transaction wrote, and may do nothing else.
set search_path = pg_catalog, pg_temp;

-- Memberships that give others what the capture role may do, or the capture role what others may.
-- The schema's owner is a member of it; superusers need not be.
create or replace function pgtide.memberships_of_others(role name)
returns table (member name, of_role name, revoke text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select m.rolname, r.rolname,
         format('REVOKE %I FROM %I%s CASCADE', r.rolname, m.rolname,
                case when current_setting('server_version_num')::int >= 160000
                     then format(' GRANTED BY %I', g.rolname) else '' end)
    from pg_auth_members a
    join pg_roles r on r.oid = a.roleid
    join pg_roles m on m.oid = a.member
    left join pg_roles g on g.oid = a.grantor
   where $1 in (r.rolname, m.rolname)
     and not (r.rolname = $1 and (m.rolsuper or m.oid = (select n.nspowner from pg_namespace n
                                                          where n.nspname = 'pgtide')))
$$;

create or replace function pgtide.may_do_more(r pg_roles) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select r.rolsuper or r.rolcanlogin or r.rolcreaterole or r.rolcreatedb or r.rolbypassrls
         or r.rolreplication
$$;

-- The role that the capture functions are to run as, by whatever name pgtide.meta has.
create or replace function pgtide.runs_as() returns name
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(m.capture_role, r.rolname)
    from pgtide.meta m, pg_namespace n join pg_roles r on r.oid = n.nspowner
   where n.nspname = 'pgtide'
$$;

-- Whether the functions of a collection run as the role that they were written for, by the name
-- that they know; null: it has none.
create or replace function pgtide.runs_whole(c int) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select bool_and(r.rolname = pgtide.runs_as()
                  and strpos(p.prosrc, format('current_user = %L', pgtide.runs_as())) > 0)
    from pg_proc p join pg_roles r on r.oid = p.proowner
   where p.pronamespace = 'pgtide'::regnamespace
     and p.proname in (format('capture_%s', c), format('truncate_%s', c)) and p.pronargs = 0
$$;

-- Takes from the capture role what others have granted it, as far as we may, and refuses what lets
-- others do what it may. Who has ADMIN OPTION on any role, on PostgreSQL 15 and older every role on
-- itself, can grant it that role: that alone must not keep us from an upgrade.
create or replace function pgtide.end_memberships(role name) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  before constant text := current_setting('lock_timeout');
  other record;
begin
  for other in select * from pgtide.memberships_of_others(role) loop
    begin
      perform set_config('lock_timeout', '2s', true);  -- a GRANT or REVOKE that is not committed
      execute other.revoke;
      perform set_config('lock_timeout', before, true);
    exception when insufficient_privilege or lock_not_available or internal_error then
      if sqlstate = 'XX000' and not starts_with(sqlerrm, 'tuple concurrently ') then
        raise;
      end if;
      if other.member = role
         and not (select r.rolsuper from pg_roles r where r.rolname = other.of_role) then
        raise warning 'role % is a member of role %, and % could not revoke that', other.member,
          other.of_role, current_user using hint = format('As a superuser: %s;', other.revoke);
      else
        raise exception 'role % is a member of role %, and % may not revoke that', other.member,
          other.of_role, current_user using errcode = '42501',
          hint = format('As a superuser: %s; then install again.', other.revoke);
      end if;
    end;
  end loop;
end $$;

create or replace function pgtide.prepare_role() returns name
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  role constant name := 'pgtide_capture_'
    || (select oid from pg_database where datname = current_database());
  recent constant boolean := current_setting('server_version_num')::int >= 160000;
  mend text := format('GRANT %I TO %I WITH ADMIN OPTION;', role, current_user);
  can_set boolean;
begin
  if not exists (select from pg_roles where rolname = role) then
    begin
      execute format('create role %I nologin noinherit', role);
    exception
      when insufficient_privilege then
        raise warning 'role % may not create roles, so the capture functions run as % itself and '
          'may do what it may', current_user, current_user
          using hint = format('ALTER ROLE %I CREATEROLE; then install again, or as a '
          'superuser: CREATE ROLE %I NOLOGIN NOINHERIT; %s', current_user, role, mend);
        return null;
      when duplicate_object or unique_violation then null;
    end;
  end if;
  if (select pgtide.may_do_more(r) from pg_roles r where r.rolname = role) then
    raise exception 'role % exists and may do more than capture needs', role
      using errcode = '55000',
      hint = format('ALTER ROLE %I NOSUPERUSER NOLOGIN NOCREATEROLE NOCREATEDB NOBYPASSRLS '
                    'NOREPLICATION;', role);
  end if;
  can_set := pg_has_role(current_user, role, 'MEMBER');
  if can_set and recent then
    execute format('select pg_has_role(current_user, %L, ''SET'')', role) into can_set;
  end if;
  if not can_set then
    begin
      execute format('grant %I to %I %s', role, current_user,
        case when recent then 'with inherit false, set true' else '' end);
    exception when insufficient_privilege then
      if (select r.rolcreaterole from pg_roles r where r.rolname = current_user)
         and current_setting('pgtide.force', true) is distinct from 'on' then
        raise exception 'role %, which the capture functions are to run as, was made by somebody '
          'else, and % is not a member of it', role, current_user using errcode = '55000',
          hint = format('As a superuser: DROP ROLE %I; or: %s Then install again; or give --force, '
                        'and the capture functions run as %I itself.', role, mend, current_user);
      end if;
      raise warning 'role % exists and % is not a member of it, so the capture functions run as % '
        'itself and may do what it may', role, current_user, current_user
        using hint = mend || ' Then install again.';
      return null;
    end;
  end if;
  perform pgtide.end_memberships(role);
  return role;
end $$;

-- The functions and relations in our schemas, and what is to be found of them, is looked for by the
-- index of pg_depend: anybody may fill pg_proc and pg_class, a temporary schema suffices, and the
-- leader makes no tick while it looks. The planner, which may take a stranger's million of rows for
-- ours, has no choice; what it has none for would seem dear enough to compile.
create or replace function pgtide.own_objects() returns table (class oid, object oid)
language sql stable rows 300 set search_path = pg_catalog, pg_temp set enable_seqscan = off
set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select d.classid, d.objid
    from (select oid from pg_namespace where nspname in ('pgtide', 'pgtide_api') offset 0) n
   cross join lateral (
         select classid, objid from pg_depend
          where refclassid = 'pg_namespace'::regclass and refobjid = n.oid
            and classid in ('pg_proc'::regclass, 'pg_class'::regclass) offset 0) d
$$;

-- What extensions have put into our schemas: CREATE on the database suffices to make a trusted one
-- there. What we noted when we made it is ours, whatever an extension takes it for.
create or replace function pgtide.extension_objects()
returns table (extension name, class oid, object oid)
language sql stable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select e.extname, o.class, o.object
    from pgtide.own_objects() o
    join pg_depend d on d.classid = o.class and d.objid = o.object and d.deptype = 'e'
                    and d.refclassid = 'pg_extension'::regclass
    join pg_extension e on e.oid = d.refobjid
   where not exists (
           select from pgtide.fingerprint f
            where f.function = case o.class when 'pg_proc'::regclass
                                            then o.object::regprocedure::text
                                            else 'view ' || o.object::regclass::text end)
$$;

-- Who has rights that no function of ours gave: by ALTER DEFAULT PRIVILEGES, or by hand. An
-- application may be given USAGE of schema pgtide_api and its two functions, which send custom
-- events. Members of the owner have all rights anyhow, and may be given those on the schemas.
-- Whoever makes a partition of a watched table makes its row trigger there, too: so everybody may
-- EXECUTE that one's function, which serves no relation but its own. `functions`: on these alone.
create or replace function pgtide.rights_of_others(functions oid[] default null)
returns table (kind text, object text, who text)
language sql stable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off as $$
  select o.kind, o.object, coalesce(quote_ident(g.rolname), 'public')
    from (select 'function' as kind, p.oid::regprocedure::text as object, p.proowner as owner,
                 coalesce(p.proacl, acldefault('f', p.proowner)) as acl
            from pgtide.own_objects() w join pg_proc p on p.oid = w.object
           where w.class = 'pg_proc'::regclass
             and (functions is null or p.oid = any (functions))
             and (p.tableoid, p.oid) not in (
                   select x.class, x.object from pgtide.extension_objects() x)
          union all
          select case when c.relkind = 'S' then 'sequence' else 'table' end,
                 c.oid::regclass::text, c.relowner, c.relacl
            from pgtide.own_objects() w join pg_class c on c.oid = w.object
           where w.class = 'pg_class'::regclass and c.relkind in ('r', 'S', 'v')
             and functions is null
             and (c.tableoid, c.oid) not in (
                   select x.class, x.object from pgtide.extension_objects() x)
          union all
          select 'table', c.oid::regclass::text, c.relowner, t.attacl
            from pgtide.own_objects() w join pg_class c on c.oid = w.object
            join pg_attribute t on t.attrelid = c.oid
           where w.class = 'pg_class'::regclass and c.relkind in ('r', 'v')
             and t.attacl is not null and functions is null
          union all
          select 'schema', n.nspname, n.nspowner, n.nspacl
            from pg_namespace n
           where n.nspname in ('pgtide', 'pgtide_api') and functions is null) o
   cross join lateral aclexplode(o.acl) a
    left join pg_roles g on g.oid = a.grantee
   where a.grantee <> o.owner and a.grantee <> (select n.nspowner from pg_namespace n
                                                 where n.nspname = 'pgtide')
     and g.rolname is distinct from (select m.capture_role from pgtide.meta m)
     and not (a.grantee <> 0 and o.kind = 'schema' and (
           o.object = 'pgtide_api' and a.privilege_type = 'USAGE'
           or pg_has_role(g.oid, (select n.nspowner from pg_namespace n
                                   where n.nspname = 'pgtide'), 'MEMBER')))
     and not (a.grantee <> 0 and o.object in ('pgtide_api.broadcast(text,json)',
                                              'pgtide_api.broadcast_all(json)'))
     and not (a.grantee = 0 and o.kind = 'function' and exists (
           select from pgtide.collection w join pg_class c on c.oid = w.relation
            where c.relkind = 'p' and o.object = format('pgtide.capture_%s()', w.id)))
   group by 1, 2, 3
$$;

create or replace function pgtide.take_from_others(functions oid[] default null) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  r record;
begin
  for r in select * from pgtide.rights_of_others(functions) loop
    if r.object = 'pgtide' then
      execute format('revoke all on schema pgtide from %s cascade', r.who);
      continue when r.who = current_setting('pgtide.role_before', true);  -- the last file tells
      raise warning 'role % had rights on schema pgtide, with which it could keep writers waiting; '
        'they were taken away', r.who using hint = case
          when r.who <> 'public' and has_schema_privilege(r.who::regrole, 'pgtide_api', 'USAGE')
            then 'For custom events it calls pgtide_api.broadcast and pgtide_api.broadcast_all now.'
          else format('For custom events: GRANT USAGE ON SCHEMA pgtide_api TO %1$s; GRANT EXECUTE '
                      'ON FUNCTION pgtide_api.broadcast(text, json), '
                      'pgtide_api.broadcast_all(json) TO %1$s;', r.who) end;
    elsif r.object = 'pgtide_api' then
      execute format('revoke create on schema pgtide_api from %s cascade', r.who);
      if r.who = 'public' then revoke usage on schema pgtide_api from public cascade; end if;
    else
      perform pgtide.as_owner(format('revoke all on %s %s from %s cascade', r.kind, r.object,
                                     r.who),
                              case r.kind when 'function' then r.object::regprocedure end);
    end if;
  end loop;
end $$;

-- Runs a statement as the owner of a function, where that is a capture role that the installer may
-- become and does not inherit from (PostgreSQL 16). To write a function anew its owner needs CREATE
-- on the schema; it has it for this statement only, and on no other schema: whoever may use
-- pgtide_api may hold its row of the catalog, and keep waiting who writes it.
create or replace function pgtide.as_owner(statement text, function regprocedure) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  before constant text := current_setting('role');
  role name;
  schema name;
begin
  select r.rolname, n.nspname into role, schema
    from pg_proc p join pg_roles r on r.oid = p.proowner
    join pg_namespace n on n.oid = p.pronamespace
   where p.oid = function;
  if role is null or pg_has_role(current_user, role, 'USAGE')
     or not pg_has_role(current_user, role, 'MEMBER') then
    execute statement;
    return;
  end if;
  execute format('grant usage, create on schema %I to %I', schema, role);
  perform set_config('role', role, true);
  execute statement;
  perform set_config('role', before, true);
  execute format('revoke create on schema %I from %I', schema, role);
end $$;

-- The log is read by the role that installed, and by its members. Default privileges may have given
-- it to others.
create or replace function pgtide.grant_rights() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  role name := (select capture_role from pgtide.meta);
  schema name;
begin
  perform pgtide.take_from_others();
  if role is null then return; end if;
  foreach schema in array '{pgtide,pgtide_api}'::name[] loop
    -- Nothing that is so already: who may use a schema may hold its row of the catalog.
    if not exists (select from pg_namespace n cross join lateral aclexplode(n.nspacl) a
                    where n.nspname = schema
                      and a.grantee = (select oid from pg_roles where rolname = role)
                      and a.privilege_type = 'USAGE') then
      execute format('grant usage on schema %I to %I', schema, role);
    end if;
    if has_schema_privilege(role, schema, 'CREATE') then
      execute format('revoke create on schema %I from %I', schema, role);
    end if;
  end loop;
  execute format('revoke all on all tables in schema pgtide from %I', role);
  execute format('revoke all on all sequences in schema pgtide from %I', role);
  execute format('grant insert, select (xid, record_hash, old_tid) '
                 'on pgtide.log0, pgtide.log1, pgtide.log2 to %I', role);
  execute format('grant select on pgtide.own_log to %I', role);
  execute format('grant select, update (id, old_tid) '
                 'on pgtide.own_log0, pgtide.own_log1, pgtide.own_log2 to %I', role);
  execute format('grant select on sequence pgtide.current, pgtide.switched, pgtide.armed to %I',
                 role);
  execute format('grant usage on sequence pgtide.change_id to %I', role);
  execute format('grant usage, update on sequence pgtide.marks to %I', role);
end $$;

-- Gives a function to the capture role and takes it from everybody else. ALTER FUNCTION ... OWNER
-- TO wants the new owner to have CREATE on the schema; it has it for this statement only, or code
-- that runs as the capture role could put functions here, and the installer would call them. The
-- installer puts the functions on tables, and sends custom events and lets others send them, and
-- does not inherit from the capture role (PostgreSQL 16).
create or replace function pgtide.hand_over(function regprocedure) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  capture_role constant name := (select m.capture_role from pgtide.meta m);
  installer constant name := (
    select r.rolname from pg_namespace n join pg_roles r on r.oid = n.nspowner
     where n.nspname = 'pgtide');
  role constant name := coalesce(capture_role, installer);
  schema constant name := (select n.nspname from pg_proc p join pg_namespace n
                             on n.oid = p.pronamespace where p.oid = function);
  borrowed constant name := (
    select r.rolname from pg_proc p join pg_roles r on r.oid = p.proowner
     where p.oid = function and current_setting('server_version_num')::int >= 160000
       and not pg_has_role(current_user, r.oid, 'USAGE')
       and pg_has_role(current_user, r.oid, 'MEMBER'));
  option constant text := case schema when 'pgtide_api' then ' with grant option' else '' end;
begin
  if (select proowner from pg_proc where oid = function)
     is distinct from (select oid from pg_roles where rolname = role) then
    if capture_role is not null then
      execute format('grant create on schema %I to %I', schema, capture_role);
    end if;
    -- It takes the present owner's rights, and PostgreSQL 16 asks whether one inherits them.
    if borrowed is not null then
      execute format('grant %I to %I with inherit true', borrowed, current_user);
    end if;
    execute format('alter function %s owner to %I', function, role);
    if borrowed is not null then
      execute format('grant %I to %I with inherit false', borrowed, current_user);
    end if;
    if capture_role is not null then
      execute format('revoke create on schema %I from %I', schema, capture_role);
    end if;
  end if;
  if not has_function_privilege(installer, function, 'execute' || option) then
    perform pgtide.as_owner(format('grant execute on function %s to %I', function, installer)
                            || option, function);
  end if;
end $$;

-- A function as it is now: all of pg_proc that changes what a call does, or when it is made.
-- Arguments and results as texts, since numbers change with a dump; a body that is parsed
-- (PostgreSQL 14) as whatever it is, since ours have none.
create or replace function pgtide.print_of(function oid) returns text
language sql stable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
  select md5(jsonb_build_array(
           p.prosrc, p.probin, r.rolname, p.prosecdef, p.proconfig, l.lanname, p.provolatile,
           p.prokind, p.proretset, pg_get_function_result(p.oid), pg_get_function_arguments(p.oid),
           p.proisstrict, p.proparallel, p.proleakproof, p.procost, p.prorows,
           p.prosupport::regproc, p.provariadic::regtype, p.protrftypes::regtype[],
           to_jsonb(p) -> 'prosqlbody')::text)
    from pg_proc p join pg_roles r on r.oid = p.proowner join pg_language l on l.oid = p.prolang
   where p.oid = function
$$;

-- The text of a view is as the server's version writes it.
create or replace function pgtide.print_of_view(view oid) returns text
language sql stable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
  select concat(current_setting('server_version_num')::int / 10000, ':',
                md5(concat_ws('|', pg_get_viewdef(c.oid), r.rolname, c.reloptions)))
    from pg_class c join pg_roles r on r.oid = c.relowner where c.oid = $1
$$;

create or replace function pgtide.note_views(views regclass[]) returns void
language sql set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
  insert into pgtide.fingerprint (function, print)
  select 'view ' || v::text, pgtide.print_of_view(v) from unnest(views) v
  on conflict (function) do update set print = excluded.print
$$;

create or replace function pgtide.note_functions(functions oid[]) returns void
language sql set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
  insert into pgtide.fingerprint (function, print)
  select f.oid::regprocedure::text, pgtide.print_of(f.oid) from unnest(functions) f(oid)
  on conflict (function) do update set print = excluded.print
$$;

-- Triggers that call a capture function and are none of those that `watch` has put there. They came
-- with a table from a dump, say, and log nothing; or they are on a watched table (`serves`),
-- and log its changes again. The table's own is told of by the collection's look, and so is a table
-- that has taken the place of a watched one. A partition has one of its own for TRUNCATE, which it
-- keeps when it is detached; it does nothing then.
drop function if exists pgtide.stray_triggers() cascade;
create function pgtide.stray_triggers()
returns table (relation regclass, trigger name, serves boolean)
language sql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off
as $$
  select t.tgrelid::regclass, t.tgname, x.is_root or x.is_partition
    from pgtide.own_objects() o
   cross join lateral (select * from pg_proc where oid = o.object offset 0) p
   cross join lateral (select objid from pg_depend
                        where refclassid = o.class and refobjid = p.oid
                          and classid = 'pg_trigger'::regclass offset 0) d
   cross join lateral (select * from pg_trigger where oid = d.objid offset 0) t
   cross join lateral (select * from pg_class where oid = t.tgrelid offset 0) c
   cross join lateral (select * from pg_namespace where oid = c.relnamespace offset 0) s
    left join pgtide.collection w
      on w.id::text = substring(p.proname from '^(?:capture|truncate)_([0-9]+)$')
   cross join lateral (select
           coalesce(w.relation = c.oid or w.table_schema = s.nspname and w.table_name = c.relname,
                    false) as is_root,
           c.relispartition and exists (select from pg_partition_ancestors(c.oid) a
                                         where a.relid = w.relation) as is_partition) x
   where o.class = 'pg_proc'::regclass and p.pronamespace = 'pgtide'::regnamespace
     and t.tgfoid = p.oid and t.tgparentid = 0 and not t.tgisinternal
     and not (x.is_root and t.tgname = '!pgtide' and starts_with(p.proname, 'capture_'))
     and not (w.id is not null and t.tgname = '!pgtide_truncate'
              and starts_with(p.proname, 'truncate_')
              and (x.is_root or x.is_partition
                   or not c.relispartition
                      and t.tgargs = convert_to('partition', 'UTF8') || decode('00', 'hex')))
   order by t.oid
$$;

-- What is not as it was installed, and who has rights that nobody should have.
create or replace function pgtide.schema_faults() returns table (wrong text, mend text)
language sql stable set search_path = pg_catalog, pg_temp set quote_all_identifiers = off
set enable_seqscan = off set enable_mergejoin = off set jit = off as $$
  select case when f.function is null
                then format('function %s is not one of pgtide''s', p.oid::regprocedure)
              when p.oid is null then format('function %s is gone', f.function)
              else format('function %s is not as it was installed', f.function) end,
         case when f.function is not null then 'pgtide install'
              when exists (select from pg_depend d
                            where d.refclassid = 'pg_proc'::regclass and d.refobjid = p.oid
                              and d.classid = 'pg_trigger'::regclass)
                then format('DROP FUNCTION %s CASCADE;', p.oid::regprocedure)
              else format('DROP FUNCTION %s;', p.oid::regprocedure) end
    from (select * from pgtide.fingerprint where not starts_with(function, 'view ')) f
    full join (select o.object as oid from pgtide.own_objects() o
                where o.class = 'pg_proc'::regclass
                  and (o.class, o.object) not in (
                    select x.class, x.object from pgtide.extension_objects() x)) p
      on p.oid::regprocedure::text = f.function
   where f.print is distinct from pgtide.print_of(p.oid)
  union all
  select case when f.function is null then format('view %s is not one of pgtide''s', v.name)
              when v.name is null then format('%s is gone', f.function)
              else format('%s is not as it was installed', f.function) end,
         case when f.function is null then format('DROP VIEW %s;', v.name)
              else 'pgtide install' end
    from (select * from pgtide.fingerprint where starts_with(function, 'view ')) f
    full join (select c.oid::regclass::text as name, pgtide.print_of_view(c.oid) as print
                 from pgtide.own_objects() w join pg_class c on c.oid = w.object
                where w.class = 'pg_class'::regclass and c.relkind = 'v'
                  and (c.tableoid, c.oid) not in (
                   select x.class, x.object from pgtide.extension_objects() x)) v
      on 'view ' || v.name = f.function
   where f.print is distinct from v.print
     and (f.print is null or v.print is null
          or split_part(f.print, ':', 1) = split_part(v.print, ':', 1))
  union all
  select format('extension %I has put its objects into schema %s', e.name, e.schema),
         format('DROP EXTENSION %I;', e.name)
    from (select x.extname as name, n.nspname as schema
            from pg_extension x join pg_namespace n on n.oid = x.extnamespace
           where n.nspname in ('pgtide', 'pgtide_api')
          union
          select x.extension, i.schema::name
            from pgtide.extension_objects() x, pg_identify_object(x.class, x.object, 0) i) e
  union all
  select case when a.oid is null then 'schema pgtide_api is gone'
              else format('schema pgtide_api belongs to role %s, not to %s: who calls what is in '
                          'it runs the code of its owner', a.nspowner::regrole,
                          n.nspowner::regrole) end,
         case when a.oid is null then 'pgtide install'
              else 'ALTER SCHEMA pgtide_api RENAME TO other_api;' end
    from pg_namespace n left join pg_namespace a on a.nspname = 'pgtide_api'
   where n.nspname = 'pgtide' and a.nspowner is distinct from n.nspowner
  union all
  select format(case when s.serves then 'trigger %I of table %s logs changes that are logged anyhow'
                     else 'trigger %I of table %s belongs to no collection and logs nothing' end,
                s.trigger, s.relation),
         format('DROP TRIGGER %I ON %s;', s.trigger, s.relation)
    from pgtide.stray_triggers() s
  union all
  select format('%s has rights on %s %s that let it in', r.who, r.kind, r.object), 'pgtide install'
    from pgtide.rights_of_others() r
  union all
  select format('role %I is a member of role %I: more than capture needs', o.member, o.of_role),
         o.revoke || ';'
    from pgtide.meta m, pgtide.memberships_of_others(m.capture_role) o
  union all
  select format('the capture functions run as %I itself, and may do what it may: it is no member '
                'of role %I', o.rolname, c.rolname),
         format('GRANT %I TO %I WITH ADMIN OPTION; then pgtide install', c.rolname, o.rolname)
    from pgtide.meta m join pg_namespace n on n.nspname = 'pgtide'
    join pg_roles o on o.oid = n.nspowner
    join pg_roles c on c.rolname = 'pgtide_capture_' || (
           select d.oid from pg_database d where d.datname = current_database())
   where m.capture_role is null
  union all
  select format('the capture functions run as role %I, which is not of this database: it was '
                'copied or restored', m.capture_role), 'pgtide install'
    from pgtide.meta m
   where m.capture_role <> 'pgtide_capture_' || (
           select d.oid from pg_database d where d.datname = current_database())
  union all
  select format('role %I may do more than capture needs', r.rolname),
         format('ALTER ROLE %I NOSUPERUSER NOLOGIN NOCREATEROLE NOCREATEDB NOBYPASSRLS '
                'NOREPLICATION;', r.rolname)
    from pgtide.meta m join pg_roles r on r.rolname = m.capture_role where pgtide.may_do_more(r)
$$;

-- An installation from before moves over: until version 3 the databases of a cluster shared a role.
-- And so does a copy of a database, which has the role of the one that it was copied from.
-- Functions of a role that the installer is no member of are written anew by the files to come:
-- PostgreSQL 16 and later do not take the membership from an older one's dump.
do $$
declare
  was name := (select capture_role from pgtide.meta);
  f regprocedure;
begin
  update pgtide.meta set capture_role = pgtide.prepare_role();
  if was is null or was is not distinct from (select capture_role from pgtide.meta)
     or not exists (select from pg_roles where rolname = was) then
    return;
  end if;
  for f in select p.oid from pg_proc p join pg_roles r on r.oid = p.proowner
            where p.pronamespace in ('pgtide'::regnamespace, 'pgtide_api'::regnamespace)
              and r.rolname = was and pg_has_role(current_user, r.oid, 'MEMBER')
              and p.proname ~ '^(broadcast|broadcast_all|(capture|truncate)_[0-9]+)$' loop
    perform pgtide.hand_over(f);
  end loop;
  perform set_config('pgtide.role_before', was, true);  -- the last file takes leave of it
end $$;

create or replace function pgtide.leave_role(was name) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  before constant text := current_setting('lock_timeout');
  f regprocedure;
begin
  execute format('revoke all on all tables in schema pgtide from %I', was);
  execute format('revoke all on all sequences in schema pgtide from %I', was);
  -- One by one: PostgreSQL would warn of those that are not the installer's.
  for f in select distinct p.oid from pg_proc p cross join lateral aclexplode(p.proacl) a
            where p.pronamespace = 'pgtide'::regnamespace and a.grantee = was::regrole
              and p.proowner <> a.grantee loop
    perform pgtide.as_owner(format('revoke all on function %s from %I', f, was), f);
  end loop;
  execute format('revoke all on schema pgtide, pgtide_api from %I', was);
  if not exists (select from pg_shdepend d join pg_roles r on r.oid = d.refobjid
                  where d.refclassid = 'pg_authid'::regclass and r.rolname = was) then
    begin
      -- Anybody may have granted it something in a transaction that is open, in any database.
      perform set_config('lock_timeout', '2s', true);
      execute format('drop role %I', was);
      perform set_config('lock_timeout', before, true);
    exception
      when lock_not_available then
        raise warning 'role % is not used any more, and stays: a transaction that has to do with '
          'it has not ended', was using hint = format('Later: DROP OWNED BY %1$I; DROP ROLE %1$I;',
                                                      was);
      when insufficient_privilege or dependent_objects_still_exist then
        raise warning 'role % is not used any more, and % may not drop it', was, current_user
          using hint = format('DROP ROLE %I;', was);
    end;
  end if;
end $$;
