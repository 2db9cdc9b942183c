-- Whose code a value's JSON would run, and how a row is written without it.
--
-- to_json() looks for a cast to json of every type that was not built in: of enums, ranges and base
-- types, inside arrays, composites and domains too. Who owns such a type defines that cast, and it
-- would run with the rights of the capture functions. So would any cast or operator that a
-- statement's text names (x::text, x = y), even as it is planned: the planner inlines and folds.
--
-- A type is trusted where no one but a superuser can have a say in it: it was built in; or it
-- belongs to a superuser, and so does the function of its cast to json, which is not written in a
-- language that looks for names (a cast stays when its type changes hands; casts to other types are
-- not looked for, and whoever owns the other type makes one), and all that it consists of is
-- trusted. A row of trusted types is to_json(row).
-- Of others the text is made column by column, of what calls no foreign code: output functions
-- (format('%s', x), concat(x)), which belong to superusers; pg_typeof(); fields and elements.
--
-- A catalog is read by a snapshot, and a row is as new as its table: where the snapshot is the
-- transaction's, what it says of a type may be past. So each value is asked for its type
-- (pg_typeof) before to_json() gets it, and what is trusted comes from a look that is not older.
set search_path = pg_catalog, pg_temp;

-- Those of version 2. What somebody has made that depends on them goes, too: it must not stop an
-- upgrade, and nothing here is anybody else's to build on.
drop function if exists pgtide.record_text(text, text[], oid[]) cascade;
drop function if exists pgtide.key_text(text, text, oid) cascade;
drop function if exists pgtide.names_objects(oid) cascade;

-- What is set for a relation's capture function beside what is set for all: settings that the text
-- of some types hangs on, however deep they lie in the row. That of money hangs on lc_monetary,
-- that of regclass and its kin on quote_all_identifiers. Each costs every row of the table.
-- They are looked for no further than reachable_types() looks: past that they are set, all of them.
create or replace function pgtide.print_settings(relation oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  level oid[] := array(select distinct a.atttypid from pg_attribute a
                        where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped);
  seen oid[] := level;
  ranges oid[];
  room bigint := 2000;
  of_money boolean := false;
  of_names boolean := false;
begin
  for depth in 1..100 loop
    exit when level = '{}';
    room := room - cardinality(level) - coalesce((
      select sum(c.relnatts) from unnest(level) n
        join pg_type y on y.oid = n and y.typtype = 'c' join pg_class c on c.oid = y.typrelid), 0);
    exit when room < 0;
    select of_money or coalesce(bool_or(y.oid = 'money'::regtype), false),
           of_names or coalesce(bool_or(y.typnamespace = 'pg_catalog'::regnamespace
                                        and starts_with(y.typname, 'reg')), false),
           -- A multirange depends on its range; those that are built in hold none of these types.
           array_agg(coalesce((select d.refobjid from pg_depend d
                                where y.typtype = 'm' and d.classid = 'pg_type'::regclass
                                  and d.objid = y.oid and d.deptype = 'i' limit 1), y.oid))
             filter (where y.typtype in ('r', 'm'))
      into of_money, of_names, ranges
      from pg_type y where y.oid = any (level);
    level := array(
      select distinct m.kind from pg_type y cross join lateral (
               select y.typelem where y.typoutput = 'array_out'::regproc
               union all select y.typbasetype where y.typtype = 'd'
               union all select a.atttypid from pg_attribute a
                where y.typtype = 'c' and a.attrelid = y.typrelid and a.attnum > 0
                  and not a.attisdropped) m(kind)
       where y.oid = any (level) and m.kind <> all (seen));
    if ranges is not null then
      level := array(select n from unnest(level) n union
                     select r.rngsubtype from pg_range r
                      where r.rngtypid = any (ranges) and r.rngsubtype <> all (seen));
    end if;
    seen := seen || level;
  end loop;
  return concat(case when of_money or level <> '{}' then 'set lc_monetary = ''C'' ' end,
                case when of_names or level <> '{}' then 'set quote_all_identifiers = off ' end);
end $$;

-- The types from oid 16384 (the first that no initdb gives) on that the relation's rows may hold,
-- each with the type that holds it and what is known of it alone. Each type is looked into once.
-- The owner of one may put any number of others into it: past 2,000 types and columns of
-- composites, or a hundred levels, nobody looks further, and there is one row, of kind 0. (ROWS: by
-- the usual 1000 a query of these takes 30 ms, for hash tables of a million that hold three.)
create or replace function pgtide.reachable_types(relation oid)
returns table (holder oid, kind oid, sound boolean)
language plpgsql stable rows 10 set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  level oid[] := array(select distinct a.atttypid from pg_attribute a
                        where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
                          and a.atttypid >= 16384);
  seen oid[] := level;
  holders oid[] := array_fill(null::oid, array[cardinality(level)]);
  kinds oid[] := level;
  more_holders oid[];
  more_kinds oid[];
  room bigint := 2000;
begin
  for depth in 1..100 loop
    exit when level = '{}';
    room := room - cardinality(level) - coalesce((
      select sum(c.relnatts) from unnest(level) n
        join pg_type y on y.oid = n and y.typtype = 'c' join pg_class c on c.oid = y.typrelid), 0);
    exit when room < 0;
    select coalesce(array_agg(e.holder), '{}'), coalesce(array_agg(e.kind), '{}')
      into more_holders, more_kinds
      from (select distinct y.oid, m.kind from pg_type y cross join lateral (
              select y.typelem where y.typoutput = 'array_out'::regproc
              union all select y.typbasetype where y.typtype = 'd'
              union all select a.atttypid from pg_attribute a
               where y.typtype = 'c' and a.attrelid = y.typrelid and a.attnum > 0
                 and not a.attisdropped) m(kind)
             where y.oid = any (level) and m.kind >= 16384) e(holder, kind);
    holders := holders || more_holders;
    kinds := kinds || more_kinds;
    level := array(select distinct n from unnest(more_kinds) n where n <> all (seen));
    seen := seen || level;
  end loop;
  if level <> '{}' then
    return query select null::oid, 0::oid, false;
    return;
  end if;
  return query
    select e.holder, e.kind,
           y.typtype = 'd' or y.typoutput = 'array_out'::regproc
           or o.rolsuper and not exists (
                select from pg_cast c join pg_proc p on p.oid = c.castfunc
                  join pg_roles f on f.oid = p.proowner
                  join pg_language l on l.oid = p.prolang
                 where c.castsource = e.kind
                   -- In another language a name may find a writer's table, in pg_temp.
                   and not (f.rolsuper and l.lanname in ('internal', 'c'))
                   and c.casttarget in ('json'::regtype, 'jsonb'::regtype))
      from unnest(holders, kinds) e(holder, kind)
      join pg_type y on y.oid = e.kind join pg_roles o on o.oid = y.typowner;
end $$;

-- All of them, and those that are trusted, both in order. Where they are too many to look at, none
-- is known: `trusted` is {0} then, and composites are printed as their text.
create or replace function pgtide.types_within(relation oid, out kinds oid[], out trusted oid[])
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  kinds := '{}';
  trusted := '{}';
  if not exists (select from pg_attribute a
                  where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
                    and a.atttypid >= 16384) then
    return;
  end if;
  with recursive r as materialized (select * from pgtide.reachable_types(relation)),
  bad(kind) as (
    select r.kind from r where not r.sound
    union
    select r.holder from r join bad b on b.kind = r.kind where r.holder is not null)
  select array_agg(distinct r.kind order by r.kind),
         coalesce(array_agg(distinct r.kind order by r.kind)
                    filter (where r.kind not in (select b.kind from bad b)), '{}')
    into kinds, trusted from r;
  if kinds = '{0}' then
    kinds := '{}';
    trusted := '{0}';
  end if;
end $$;

create or replace function pgtide.trusted_types(relation oid) returns oid[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return (select w.trusted from pgtide.types_within(relation) w);
end $$;

-- Whether a row of the relation holds trusted types alone, and nothing that a trigger sees as NULL
-- whatever it is: a virtual column (PostgreSQL 18).
create or replace function pgtide.is_trusted(relation oid, trusted oid[]) returns boolean
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  return not exists (
    select from pg_attribute a
     where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
       and (a.atttypid >= 16384 and a.atttypid <> all (trusted) or a.attgenerated = 'v'));
end $$;

-- What the text of a capture function rests on, to see that it is out of date: names and types of
-- the columns, and of what is inside them, and who is trusted.
create or replace function pgtide.shape_of(relation oid) returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  shape text;
  types record;
begin
  select md5(string_agg(format('%s %s %s', a.attnum, a.atttypid, a.attname), ','
                        order by a.attnum)) into shape
    from pg_attribute a where a.attrelid = relation and a.attnum > 0;
  select * into types from pgtide.types_within(relation);
  if types.kinds <> '{}' or types.trusted <> '{}' then
    select shape || md5(concat(types.trusted, string_agg(format('%s %s %s', k.kind, y.typtype, (
             select string_agg(format('%s %s %s', a.attnum, a.atttypid, a.attname), ','
                               order by a.attnum)
               from pg_attribute a
              where y.typtype = 'c' and a.attrelid = y.typrelid and a.attnum > 0
                and not a.attisdropped)), ';' order by k.kind))) into shape
      from unnest(types.kinds) k(kind) join pg_type y on y.oid = k.kind;
  end if;
  return coalesce(shape, '');
end $$;

-- The labels of the enums that the relation's rows may hold, in ranges too, each as a hash with the
-- number of its row: one that is renamed is another one in every row. Of very many 10,000.
create or replace function pgtide.labels_of(relation oid) returns bigint[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  kinds constant oid[] := (select w.kinds from pgtide.types_within(relation) w);
begin
  return array(select label from (
    select hashtextextended(format('%s %s', e.oid, e.enumlabel), 0)
      from (select n from unnest(kinds) n
            union
            -- The range of a multirange is what that depends on.
            select pgtide.base_type(r.rngsubtype)
              from unnest(kinds) n
              left join pg_depend d on d.classid = 'pg_type'::regclass and d.objid = n
                                   and d.refclassid = 'pg_type'::regclass and d.deptype = 'i'
             cross join lateral (values (n), (d.refobjid)) v(kind)
              join pg_range r on r.rngtypid = v.kind) k(kind)
      join pg_enum e on e.enumtypid = k.kind
     limit 10000) l(label) order by label);
end $$;

-- A domain past the hundredth within another counts as a type of its own.
create or replace function pgtide.base_type(kind oid) returns oid
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  base oid;
begin
  for depth in 1..100 loop
    select y.typbasetype into base from pg_type y where y.oid = kind and y.typtype = 'd';
    exit when not found;
    kind := base;
  end loop;
  return kind;
end $$;

-- The expression that is the JSON of value `x` as text, 'null' for NULL. `room` is how many bytes
-- of source may still be spent: past it, and where to_json() would have to be called, a value is
-- printed as its type's text. IS NOT DISTINCT FROM NULL, since IS NULL looks into composites.
create or replace function pgtide.value_source(
  x text, kind oid, trusted oid[], depth int, inout room int, out source text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  as_text constant text := format('to_json(format(''%%s'', %s))::text', x);
  y pg_type;
  part text;
  rest text;
begin
  select t.* into y from pg_type t
   where t.oid = case when kind = any (trusted) then kind else pgtide.base_type(kind) end;
  if kind < 16384 or kind = any (trusted) then
    source := format('when pg_typeof(%s) = ''%s'' then to_json(%s)::text else %s', x, kind, x,
                     as_text);
  elsif y.typtype = 'c' and room > 0 and 0 <> all (trusted) then
    select p.source, p.room into part, room
      from pgtide.fields_source(x, y.typrelid, trusted, depth, room) p;
    source := 'else ' || part;
  elsif y.typoutput = 'array_out'::regproc and room > 0 then
    select case when e.typdelim = ',' then format('to_json(format(''%%s'', %s)::text[])::text', x)
                else as_text end into rest
      from pg_type e where e.oid = y.typelem;
    if exists (select from pg_type e where e.oid = pgtide.base_type(y.typelem)
                  and (e.typtype = 'c' or e.typoutput = 'array_out'::regproc)) then
      select p.source, p.room into part, room
        from pgtide.value_source(format('((%s)[s%s])', x, depth), y.typelem, trusted, depth + 1,
                                 room) p;
      source := format('when array_ndims(%1$s) = 1 then (select concat(''['', '
        'string_agg(%2$s, '','' order by s%3$s), '']'') '
        'from generate_subscripts(%1$s, 1) s%3$s) else %4$s',
        x, part, depth, rest);
    else
      source := 'else ' || rest;
    end if;
  else
    source := 'else ' || as_text;
  end if;
  room := room - length(source);
  if room < 0 then source := 'else ' || as_text; end if;
  source := format('case when %s is not distinct from null then ''null'' %s end', x, source);
end $$;

-- The same of all columns of the relation, from a row that is not NULL. A field has a name of this
-- text's own, f1."a": where a field is no longer there, (x).a would be read as a(x), and a function
-- of that name be found by way of a cast of the type's owner.
create or replace function pgtide.fields_source(
  x text, relation oid, trusted oid[], depth int, inout room int, out source text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  a record;
  part text;
  parts text[] := '{}';
  names text[] := '{}';
begin
  for a in select t.attname, t.atttypid from pg_attribute t
            where t.attrelid = relation and t.attnum > 0 and not t.attisdropped
            order by t.attnum loop
    exit when room < 0;
    select p.source, p.room into part, room
      from pgtide.value_source(format('f%s.%I', depth, a.attname), a.atttypid, trusted, depth + 1,
                               room) p;
    names := names || quote_ident(a.attname);
    parts := parts || format('%L, %s', case when parts = '{}' then '{' else ',' end
                             || to_json(a.attname::text)::text || ':', part);
  end loop;
  if parts = '{}' then
    source := '''{}''';
  else
    source := format('(select array_to_string(array[%s, ''}''], '''') '
                     'from (select (%s).*) as f%s(%s))',
                     array_to_string(parts, ', '), x, depth, array_to_string(names, ', '));
  end if;
end $$;

-- The row `variable` of the relation as JSON, column by column: one that needs too much source gets
-- its type's text, by itself. More than twenty of foreign types share what twenty may have.
create or replace function pgtide.row_source(variable text, relation oid, trusted oid[])
returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  source text;
begin
  select '(array_to_string(array[' || string_agg(format('%L, %s',
           case when n = 1 then '{' else ',' end || to_json(a.attname)::text || ':', v.source), ', '
           order by n) || ', ''}''], ''''))::json' into source
    from (select t.attname::text, t.atttypid, row_number() over (order by t.attnum) as n,
                 count(*) filter (where t.atttypid >= 16384 and t.atttypid <> all (trusted))
                   over () as strange
            from pg_attribute t
           where t.attrelid = relation and t.attnum > 0 and not t.attisdropped
             and t.attgenerated <> 'v') a,
         pgtide.value_source(format('%s.%I', variable, a.attname), a.atttypid, trusted, 1,
                             (400000 / greatest(20, a.strange))::int) v;
  return coalesce(source, '''{}''::json');
end $$;

-- All partitions below a table. pg_partition_tree() would lock each of them, and the look wait for
-- whoever has locked one.
create or replace function pgtide.partitions_below(relation oid) returns setof oid
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive below(oid) as (
    select i.inhrelid from pg_inherits i join pg_class c on c.oid = i.inhrelid
     where i.inhparent = $1 and c.relispartition
    union
    select i.inhrelid from below b join pg_inherits i on i.inhparent = b.oid)
  select oid from below
$$;

-- Whether a trigger on `place` is the relation's own, or one of its partitions'. It sees the
-- present at any isolation level.
create or replace function pgtide.serves(relation oid, place oid) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return place = relation
      or exists (select from pg_partition_ancestors(place) a where a.relid = relation);
end $$;

-- Whether the trigger that runs is the relation's own, a compare of constants: who may call the
-- function into being on another table, or restores a dump in which tables have other numbers, gets
-- nothing logged. Partitions that came since take some microseconds more, as those past a hundred
-- do; what passes neither is looked at by serves(). Eight at a time: from nine on PostgreSQL makes
-- a hash table of them, in each transaction.
create or replace function pgtide.place_source(relation oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when c.relkind <> 'p' then format('tg_relid = %L::regclass', c.oid)
              else format('(%spg_partition_root(tg_relid) = %L::regclass)', (
                select string_agg(format('tg_relid = any (''%s''::oid[]) or ', eight.oids),
                                  '' order by eight.place)
                  from (select (p.n - 1) / 8, array_agg(p.oid)
                          from pgtide.partitions_below(c.oid) with ordinality p(oid, n)
                         where p.n <= 100 group by 1) eight(place, oids)), c.oid) end
    from pg_class c where c.oid = $1
$$;

-- Whether the log is the one that a function was written for, a compare of constants. In a database
-- that a dump was restored into it has another number, and the numbers in a function's text may be
-- those of whatever somebody has made there since; and where the capture role is missing, the
-- function belongs to the superuser who restored. Where there is no log it raises, unless it is
-- `mild`, which costs a look.
create or replace function pgtide.home_source(mild boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format(case when mild then 'to_regclass(''pgtide.log0'') is not distinct from %L::regclass'
                     else '''pgtide.log0''::regclass = %L::regclass' end,
                'pgtide.log0'::regclass::oid)
$$;

-- For the planner alone, which puts a call's value into the plan that it makes. IMMUTABLE is not
-- true of the function, but of the plan: that depends on the relation, as on every one that a
-- constant of type regclass names, and is made anew when the relation is altered. Nobody alters a
-- table beside the statement that fires its trigger; a composite's columns are compared by name too
-- (columns_stand). pg_describe_object() sees the present at any
-- isolation level, and dropped columns, so that one column cannot make room for another. Before
-- PostgreSQL 14 it raises for a column that is not there.
drop function if exists pgtide.lacks_column(oid, int) cascade;
create or replace function pgtide.ends_with(relation regclass, columns int) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
  return pg_describe_object(1259, relation, columns + 1) is null;
exception when internal_error then
  return true;
end $$;

-- Of whatever types, and for the planner alone, which puts the value into its plan: but with an
-- argument of another type than the pattern's there is no such function, and no plan. No cast is
-- looked for.
create or replace function pgtide.same_type(x anyelement, pattern anyelement) returns boolean
language sql immutable as 'select true';

-- Whether a value is still of the type that the text was written for. It costs a row nothing where
-- the type is built in.
create or replace function pgtide.type_source(x text, kind oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when t.oid < 16384 and t.typtype in ('b', 'r')
                and t.typnamespace = 'pg_catalog'::regnamespace
              then format('pgtide.same_type(%s, null::pg_catalog.%I)', x, t.typname)
              else format('pg_typeof(%s) = ''%s''', x, t.oid) end
    from pg_type t where t.oid = kind
$$;

-- Whether the row `variable` is still one of the columns and types that the text was written for,
-- and of the relation or a partition, in the database that it was written in.
-- It costs no query, and sees the present at any isolation level: what the planner has decided is
-- decided anew when the relation is altered. Partitions number their columns as they like: there
-- the row is compared with one of the known columns, which raises where their number or a type
-- differs.
create or replace function pgtide.guard_source(variable text, relation oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select concat_ws(' and ', pgtide.home_source(false), pgtide.place_source($2),
      string_agg(pgtide.type_source(format('%s.%I', variable, a.attname), a.atttypid), ' and '
                 order by a.attnum) filter (where not a.attisdropped),
      case when c.relkind = 'p'
             then format('%s *= row(%s)', variable,
                         string_agg(format('%s.%I', variable, a.attname), ', ' order by a.attnum)
                           filter (where not a.attisdropped))
             else format('pgtide.ends_with(%L::regclass, %s)', c.oid, c.relnatts) end)
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0
   where c.oid = $2 group by c.oid, c.relkind, c.relnatts
$$;

-- The relations of the composites whose fields are named one by one.
create or replace function pgtide.named_within(kinds oid[], trusted oid[]) returns oid[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_agg(y.typrelid order by y.typrelid), '{}')
    from pg_type y where y.oid = any (kinds) and y.typtype = 'c' and y.oid <> all (trusted)
$$;

-- Whether the relations have just those columns still that a query of the catalog finds, which may
-- see the past; null: no relation. A row's own names and types tell nothing of that: names that a
-- text gives are given by place, and a column that was dropped makes room for another. What
-- PostgreSQL's functions say of an object is of the present, as in guard_source().
create or replace function pgtide.columns_stand(relations oid[]) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select string_agg(nullif(concat_ws(' and ', (
           select string_agg(format(
                    '(pg_identify_object_as_address(1259, %s, %s)).object_names[3] = %L', c.oid,
                    a.attnum, a.attname), ' and ' order by a.attnum)
             from pg_attribute a
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
           format('pgtide.ends_with(%L::regclass, %s)', c.oid, c.relnatts)), ''),
         ' and ' order by c.oid)
    from pg_class c where c.oid = any (relations)
$$;

create or replace function pgtide.key_value(x text, kind oid, trusted oid[]) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when kind < 16384 or kind = any (trusted)
              then format('case when pg_typeof(%1$s) = ''%2$s'' then to_json(%1$s) '
                          'else to_json(format(''%%s'', %1$s)) end', x, kind)
              else format('(%s)::json', v.source) end
    from pgtide.value_source(x, kind, trusted, 1, 20000) v
$$;

-- The text of one key column's value as to_json prints it. For these types their own text is the
-- same and costs less; for the others (char(n), timestamps, inet) it is not.
create or replace function pgtide.key_text(x text, kind oid, trusted oid[]) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when pgtide.base_type(kind) in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                  'numeric'::regtype, 'text'::regtype, 'varchar'::regtype, 'uuid'::regtype)
              then format('concat(%s)', x)
              else format('(%s #>> ''{}'')', pgtide.key_value(x, kind, trusted)) end
$$;

-- The record id of the row `variable`, and the key alone as a JSON object.
create or replace function pgtide.key_source(
  variable text, relation oid, key text[], trusted oid[], out id text, out object text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when count(*) = cardinality(key) then string_agg(
           case when cardinality(key) = 1
                  or a.atttypid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
                                    'uuid'::regtype)
                then pgtide.key_text(f.x, a.atttypid, trusted)
                -- replace() refuses a collation that takes different texts for equal.
                else format('replace(replace((%s) collate "C", chr(92), repeat(chr(92), 2)), '
                            ''','', chr(92) || '','')',
                            pgtide.key_text(f.x, a.atttypid, trusted)) end,
           ' || '','' || ' order by k.n) end,
         format('json_build_object(%s)',
                string_agg(format('%L, %s', k.col, pgtide.key_value(f.x, a.atttypid, trusted)),
                           ', ' order by k.n))
    from unnest(key) with ordinality k(col, n)
    join pg_attribute a on a.attrelid = relation and a.attname = k.col
   cross join lateral format('%s.%I', variable, k.col) f(x)
$$;

-- The row that EXECUTE is given, under the names that its columns have in the catalog, as `f`.
create or replace function pgtide.row_from(relation oid) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format(' from (select ($1).*) as f(%s)',
                string_agg(quote_ident(a.attname), ', ' order by a.attnum))
    from pg_attribute a where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
$$;

-- The slow way, for a row that is not as the capture function knows rows: its table was altered and
-- not looked at since, or this server process still has the plan from before. `trusted` is what
-- the last look has found; where each statement sees the present, the catalog is asked instead.
-- Where the catalog that this transaction sees is not the present one, the row is told without its
-- key and values, for which clients read the collection anew.
create or replace function pgtide.written(
  relation oid, key text[], trusted oid[], r record, out id text, out doc json, out key_doc json)
language plpgsql set search_path = pg_catalog, pg_temp set array_nulls = on
set quote_all_identifiers = off set standard_conforming_strings = on set lc_monetary = 'C' as $$
declare
  sources record;
  types record;
  stands text;
  standing boolean;
begin
  if r is not distinct from null then return; end if;
  begin
    select * into types from pgtide.types_within(relation);
    if current_setting('transaction_isolation') = 'read committed' or types.trusted = '{0}' then
      trusted := types.trusted;
    end if;
    stands := pgtide.columns_stand(relation || pgtide.named_within(types.kinds, trusted));
    -- And the composites are those whose columns these are.
    select concat_ws(' and ', stands, string_agg(format('pg_typeof(f.%I) = ''%s''', a.attname,
                                                        a.atttypid), ' and ')) into stands
      from pg_attribute a
     where a.attrelid = relation and a.attnum > 0 and not a.attisdropped
       and a.atttypid >= 16384 and a.atttypid <> all (trusted);
    select * into sources from pgtide.key_source('f', relation, key, trusted);
    execute 'select ' || sources.id || ', ' || sources.object || ', ' || stands
            || pgtide.row_from(relation)
      into id, key_doc, standing using r;
    if standing is not true then id := null; end if;
    if id is null then
      key_doc := null;
      return;
    end if;
  exception when others then
    id := null;
    return;
  end;
  begin
    if current_setting('transaction_isolation') = 'read committed'
       and pgtide.is_trusted(relation, trusted) then
      doc := to_json(r);
    else
      execute 'select ' || pgtide.row_source('f', relation, trusted) || pgtide.row_from(relation)
        into doc using r;
    end if;
    if octet_length(doc::text) > 536870912 then doc := null; end if;
  exception when others then
    doc := null;
  end;
end $$;
