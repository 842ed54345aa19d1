"""Queries for functions, types and sequences in the schema ``:schema``, and for the rest by name.

They return the same columns as those in table_queries.py.
"""

# ruff: noqa: S608 - the queries are built of parts that stand here

from service.stores.sql.schema_check.table_queries import extension_of

# Aggregates have no definition as text.
FUNCTIONS = f"""
SELECT format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
    '' AS parent, pg_get_userbyid(p.proowner)::text AS owner,
    {extension_of("pg_proc", "p.oid")} AS extension,
    CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
    coalesce(pg_get_function_result(p.oid), '') AS result,
    CASE WHEN p.prokind = 'a' THEN '' ELSE replace(pg_get_functiondef(p.oid),
        format('%s.%I(', p.pronamespace::regnamespace, p.proname), format('%I(', p.proname))
        END AS definition
FROM pg_proc p WHERE p.pronamespace = CAST(:schema AS text)::regnamespace
"""

# Without arrays, and without the row types of tables.
TYPES = f"""
SELECT quote_ident(t.typname) AS name, '' AS parent, pg_get_userbyid(t.typowner)::text AS owner,
    {extension_of("pg_type", "t.oid")} AS extension,
    CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' ELSE 'type' END AS kind,
    CASE t.typtype
    WHEN 'e' THEN 'AS ENUM (' || (
        SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
        FROM pg_enum WHERE enumtypid = t.oid) || ')'
    WHEN 'd' THEN 'AS ' || format_type(t.typbasetype, t.typtypmod)
        || coalesce(' DEFAULT ' || t.typdefault, '')
        || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce((
            SELECT string_agg(
                format(' CONSTRAINT %I %s', conname, pg_get_constraintdef(oid, true)), ''
                ORDER BY conname)
            FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'), '')
    WHEN 'c' THEN 'AS (' || (
        SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', '
            ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = t.typrelid AND NOT attisdropped) || ')'
    ELSE '' END AS definition
FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE t.typnamespace = CAST(:schema AS text)::regnamespace
    AND t.typtype IN ('e', 'd', 'c', 'r') AND coalesce(c.relkind, 'c') = 'c'
"""

# `of_column`: the column that the sequence was made for; an identity column makes its own.
SEQUENCES = f"""
SELECT quote_ident(c.relname) AS name, '' AS parent, pg_get_userbyid(c.relowner)::text AS owner,
    {extension_of("pg_class", "c.oid")} AS extension,
    format('AS %s INCREMENT BY %s MINVALUE %s MAXVALUE %s START WITH %s CACHE %s %s',
        format_type(s.seqtypid, NULL), seqincrement, seqmin, seqmax, seqstart, seqcache,
        CASE WHEN s.seqcycle THEN 'CYCLE' ELSE 'NO CYCLE' END) AS definition,
    coalesce(d.refobjid::regclass::text || '.' || quote_ident(a.attname), '') AS of_column,
    CASE d.deptype WHEN 'i' THEN 'yes' ELSE '' END AS of_identity
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE c.relnamespace = CAST(:schema AS text)::regnamespace
"""

# Of no migration's making, whatever they are named.
OTHERS = """
SELECT 'extension' AS kind, quote_ident(e.extname) AS name,
    pg_get_userbyid(e.extowner)::text AS owner, NULL AS extension
FROM pg_extension e WHERE e.extname <> 'plpgsql'
UNION ALL
SELECT 'schema', quote_ident(n.nspname), pg_get_userbyid(n.nspowner)::text, (
    SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
    WHERE d.classid = 'pg_namespace'::regclass AND d.objid = n.oid AND d.deptype = 'e')
FROM pg_namespace n
WHERE quote_ident(n.nspname) NOT IN ('public', 'information_schema', :schema)
    AND n.nspname NOT LIKE 'pg\\_%'
UNION ALL
SELECT 'event trigger', quote_ident(evtname), pg_get_userbyid(evtowner)::text, NULL
FROM pg_event_trigger
ORDER BY 1, 2
"""
