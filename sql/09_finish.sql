-- The last file: rights, the capture functions of what is already watched, and the version.
set search_path = pg_catalog, pg_temp;

do $$
declare
  f text;
  c pgtide.collection;
  foreign_code text;
  -- What this transaction wrote is ours; what else lies in the schemas is not.
  ours constant oid[] := array(
    select p.oid from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname in ('pgtide', 'pgtide_api') and p.xmin = pg_current_xact_id()::xid);
begin
  -- Defaults and checks keep the functions and operators that they were made with; an older install
  -- may have found them in the search_path of its caller.
  select string_agg(distinct pg_describe_object(d.refclassid, d.refobjid, 0), ', ')
    into foreign_code
    from pg_depend d
    left join pg_attrdef a on d.classid = 'pg_attrdef'::regclass and a.oid = d.objid
    left join pg_class t on t.oid = a.adrelid
    left join pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
    left join pg_proc p on d.refclassid = 'pg_proc'::regclass and p.oid = d.refobjid
    left join pg_operator o on d.refclassid = 'pg_operator'::regclass and o.oid = d.refobjid
   where 'pgtide'::regnamespace in (t.relnamespace, k.connamespace)
     and coalesce(p.pronamespace, o.oprnamespace)
         not in ('pgtide'::regnamespace, 'pg_catalog'::regnamespace);
  if foreign_code is not null then
    raise exception 'tables of schema pgtide call what pgtide has not made: %', foreign_code
      using errcode = '55000', hint = 'An older install found it in its search_path. Run pgtide '
        'uninstall, then install, and watch each table again.';
  end if;
  -- First, for what a dump has left with another owner has no rights that we may take away.
  -- The triggers of functions that are dropped go from all their tables at one moment, since the
  -- writers of one would wait for those of the next.
  perform pgtide.lock_patiently(array(
    select distinct g.tgrelid::regclass
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid join pg_class t on t.oid = g.tgrelid
     where p.pronamespace = 'pgtide'::regnamespace and g.tgparentid = 0
       and not pg_has_role(current_user, p.proowner, 'MEMBER')
       and pg_has_role(current_user, t.relowner, 'USAGE')), 'access exclusive');
  for c in select * from pgtide.collection w order by w.id loop
    perform pgtide.settle(c);
  end loop;
  perform pgtide.grant_rights();
  foreach f in array array['pgtide_api.broadcast(text,json)', 'pgtide_api.broadcast_all(json)'] loop
    perform pgtide.hand_over(f::regprocedure);
  end loop;
  for f in select p.oid::regprocedure::text from pg_proc p
            where p.oid = any (ours)
              and p.proname in ('append', 'repair', 'repair_all', 'repair_0', 'repair_1',
                                'repair_2', 'follow', 'follow_0', 'follow_1', 'follow_2',
                                'follows', 'may_be_in', 'bit_of', 'own_marks',
                                'mark', 'is_marked', 'finish', 'move', 'bury', 'wake',
                                'rename_record', 'log_truncate', 'is_collection_name', 'written',
                                'reachable_types', 'trusted_types', 'is_trusted', 'base_type',
                                'value_source', 'fields_source', 'row_source', 'key_text',
                                'key_value', 'key_source', 'row_from', 'queue_has_room',
                                'serves', 'types_within', 'named_within', 'ends_with', 'same_type',
                                'columns_stand', 'files_mark', 'partitions_of',
                                'partitions_below') loop
    if (select capture_role from pgtide.meta) is not null then
      execute format('grant execute on function %s to %I', f,
                     (select capture_role from pgtide.meta));
    end if;
  end loop;
  delete from pgtide.fingerprint;
  perform pgtide.note_functions(ours);
  perform pgtide.note_views(array[
    'pgtide.log', 'pgtide.own_log', 'pgtide.own_log0', 'pgtide.own_log1', 'pgtide.own_log2',
    'pgtide.tick', 'pgtide.bridge']::regclass[]);
  perform pgtide.note_functions(pgtide.functions_of(w.id)::oid[]) from pgtide.collection w;
  -- Those of a dump that belong to no collection do nothing, until somebody drops them: the rights
  -- that they ran with are gone, and writers must not fail by it.
  for f in select p.oid::regprocedure::text from pg_proc p
            where p.pronamespace = 'pgtide'::regnamespace
              and p.proname ~ '^(capture|truncate)_[0-9]+$'
              and not exists (select from pgtide.collection w
                               where p.oid = any (pgtide.functions_of(w.id))) loop
    begin
      perform pgtide.as_owner(format('create or replace function %s returns trigger language '
        'plpgsql set search_path = pg_catalog, pg_temp as ''begin return null; end''', f),
        f::regprocedure);
    exception when insufficient_privilege then
      raise warning 'function % belongs to no collection, and % may not alter it', f, current_user
        using hint = format('As its owner: DROP FUNCTION %s CASCADE;', f);
    end;
  end loop;
  if current_setting('pgtide.role_before', true) <> '' then
    perform pgtide.leave_role(current_setting('pgtide.role_before')::name);
  end if;
  if pg_sequence_last_value('pgtide.current') is null then
    raise exception 'sequence pgtide.current has no value: the writers would not know their table';
  end if;
  update pgtide.meta set schema_version = 3;
  -- The repair gives rows another id, which PostgreSQL refuses of a table without an identity that
  -- somebody publishes (FOR ALL TABLES, say). Last of all, since writers wait for these locks.
  if exists (select from pg_class k where k.relreplident <> 'f' and k.oid in (
               'pgtide.log0'::regclass, 'pgtide.log1'::regclass, 'pgtide.log2'::regclass)) then
    perform pgtide.lock_patiently(
      array['pgtide.log0', 'pgtide.log1', 'pgtide.log2']::regclass[], 'access exclusive');
    alter table pgtide.log0 replica identity full;
    alter table pgtide.log1 replica identity full;
    alter table pgtide.log2 replica identity full;
  end if;
end $$;
reset role;
reset client_min_messages;
reset lock_timeout;
reset search_path;
