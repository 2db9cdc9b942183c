-- The last file: rights, the capture functions of what is already watched, and the version.
do $$
declare
  f text;
  c record;
begin
  perform pgtide.grant_rights();
  foreach f in array array['pgtide.broadcast(text,json)', 'pgtide.broadcast_all(json)'] loop
    perform pgtide.hand_over(f::regprocedure);
  end loop;
  for f in select p.oid::regprocedure::text from pg_proc p
            where p.pronamespace = 'pgtide'::regnamespace
              and p.proname in ('append', 'repair', 'follow', 'move', 'bury', 'wake',
                                'rename_record', 'log_truncate', 'is_collection_name', 'written',
                                'reachable_types', 'trusted_types', 'is_trusted', 'base_type',
                                'value_source', 'fields_source', 'row_source', 'key_text',
                                'key_value', 'key_source') loop
    if (select capture_role from pgtide.meta) is not null then
      execute format('grant execute on function %s to %I', f,
                     (select capture_role from pgtide.meta));
    end if;
  end loop;
  for c in select w.id from pgtide.collection w join pg_class t on t.oid = w.relation loop
    perform pgtide.regenerate(c.id);
  end loop;
  if pg_sequence_last_value('pgtide.current') is null then
    raise exception 'sequence pgtide.current has no value: the writers would not know their table';
  end if;
  update pgtide.meta set schema_version = 3;
end $$;
reset role;
reset client_min_messages;
