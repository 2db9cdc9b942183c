-- What a dump brings into another database: tables have other numbers there, and what the capture
-- role owned has another owner where that role is not there, or who restored may not give it away.
-- The functions do nothing then; here they are made whole.
set search_path = pg_catalog, pg_temp;

-- Writes the functions of a collection anew, under the number that its table has here. Functions
-- that are another role's are dropped, which the owner of the schema may; their triggers go with
-- them, and who may put them back is the owner of the table.
create or replace function pgtide.settle(was pgtide.collection) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  is_now constant pgtide.collection := pgtide.seen(was);
  -- Those know another name for the role that they run as, and so have logged nothing.
  silent constant boolean := exists (
    select from pg_proc p join pg_roles r on r.oid = p.proowner
     where p.oid = any (pgtide.functions_of(was.id)) and strpos(p.prosrc, 'current_user = ') > 0
       and not exists (
             select from (values (r.rolname), (current_setting('pgtide.role_before', true))) n(role)
              where strpos(p.prosrc, format('current_user = %L', n.role)) > 0));
  strange constant boolean := exists (
    select from pg_proc p where p.oid = any (pgtide.functions_of(was.id))
       and not pg_has_role(current_user, p.proowner, 'MEMBER'));
  table_owner name;
begin
  select r.rolname into table_owner from pg_class t join pg_roles r on r.oid = t.relowner
   where t.oid = is_now.relation;
  if table_owner is null then return; end if;  -- the table is gone, and the look tells
  if is_now.relation <> was.relation then
    update pgtide.collection w
       set relation = is_now.relation, filenode = is_now.filenode, filenodes = is_now.filenodes,
           partitions = is_now.partitions, guard = is_now.guard, columns = is_now.columns,
           key = is_now.key, table_owner = is_now.table_owner
     where w.id = was.id;
  end if;
  if strange then
    perform pgtide.drop_functions(pgtide.functions_of(was.id));
  end if;
  perform pgtide.regenerate(was.id);
  if strange and not pg_has_role(current_user, table_owner, 'USAGE') then
    raise warning 'table % has no trigger: the functions that it called were another role''s, and '
      '% may not put new ones there', is_now.relation::regclass, current_user
      using hint = format('GRANT %I TO %I; then: %s', table_owner, current_user,
                          pgtide.watch_command(is_now));
  elsif strange then
    perform pgtide.alter_patiently(is_now.relation, format('select pgtide.put_triggers(%s, %s)',
                                                           was.id, is_now.relation));
    update pgtide.collection w set guard = pgtide.guard_of(w.id, w.relation), reported = null
     where w.id = was.id;
  end if;
  -- No look will find what changed since the last one.
  if is_now.relation <> was.relation or silent or was.shape <> ''
     and was.shape <> (select w.shape from pgtide.collection w where w.id = was.id) then
    perform pgtide.mark_changed(was.id);
  end if;
end $$;
