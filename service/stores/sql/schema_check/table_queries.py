"""Queries for tables and what is on them, in the schema ``:schema``; one for each group.

Each returns ``name``, ``parent`` (the relation that the object is on), ``owner``, ``extension``,
and texts of its own. Names are unqualified, because search_path has this schema alone, and quoted
where SQL needs it. NOT NULL belongs to a column here, although PostgreSQL 18 also has a constraint
for it.
"""

# ruff: noqa: S608 - the queries are built of parts that stand here


def extension_of(catalog: str, oid: str) -> str:
    """Return the expression for the name of the extension that an object belongs to, or NULL."""
    return f"""(
        SELECT e.extname::text FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = '{catalog}'::regclass AND d.objid = {oid} AND d.deptype = 'e'
            AND d.refclassid = 'pg_extension'::regclass LIMIT 1
    )"""


def _options(alias: str) -> str:
    return f"""coalesce(
        (SELECT string_agg(o, ', ' ORDER BY o) FROM unnest({alias}.reloptions) AS o), '')"""


def _on_table(catalog: str, alias: str) -> str:
    """Return the first columns for an object on the relation ``c``."""
    return f"""quote_ident(c.relname) AS parent, pg_get_userbyid(c.relowner)::text AS owner,
        {extension_of(catalog, f"{alias}.oid")} AS extension"""


ENABLED = """CASE {} WHEN 'O' THEN 'enabled' WHEN 'D' THEN 'disabled'
    WHEN 'R' THEN 'disabled but on a replica' ELSE 'always enabled' END AS enabled"""
IN_SCHEMA = "c.relnamespace = CAST(:schema AS text)::regnamespace"

RELATIONS = f"""
SELECT quote_ident(c.relname) AS name, '' AS parent, pg_get_userbyid(c.relowner)::text AS owner,
    {extension_of("pg_class", "c.oid")} AS extension,
    CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
        WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind,
    CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' ELSE 'LOGGED' END AS persistence,
    CASE WHEN c.relrowsecurity THEN 'ENABLE' ELSE 'DISABLE' END AS row_security,
    CASE WHEN c.relforcerowsecurity THEN 'FORCE' ELSE 'NO FORCE' END AS row_security_of_owner,
    CASE c.relreplident WHEN 'd' THEN 'DEFAULT' WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
        ELSE 'USING INDEX ' || (
            SELECT quote_ident(i.relname) FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
            WHERE x.indrelid = c.oid AND x.indisreplident
        ) END AS replica_identity,
    {_options("c")} AS options,
    coalesce((SELECT string_agg(h.inhparent::regclass::text, ', ' ORDER BY h.inhseqno)
        FROM pg_inherits h WHERE h.inhrelid = c.oid), '') AS parents,
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid, true) ELSE '' END AS definition
FROM pg_class c WHERE {IN_SCHEMA} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

COLUMNS = f"""
SELECT quote_ident(a.attname) AS name, quote_ident(c.relname) AS parent,
    pg_get_userbyid(c.relowner)::text AS owner, NULL AS extension,
    format_type(a.atttypid, a.atttypmod) AS type,
    CASE WHEN a.attcollation <> t.typcollation
        THEN (SELECT quote_ident(collname) FROM pg_collation WHERE oid = a.attcollation)
        ELSE '' END AS collation,
    CASE WHEN NOT a.attnotnull THEN 'NULL' WHEN EXISTS (
        SELECT FROM pg_constraint k
        WHERE k.conrelid = c.oid AND k.contype = 'n' AND k.conkey = ARRAY[a.attnum]
            AND NOT k.convalidated
    ) THEN 'NOT NULL NOT VALID' ELSE 'NOT NULL' END AS nullability,
    CASE WHEN a.attgenerated = '' THEN coalesce(pg_get_expr(d.adbin, d.adrelid, true), '')
        ELSE '' END AS default,
    CASE a.attgenerated WHEN '' THEN '' ELSE pg_get_expr(d.adbin, d.adrelid, true) END
        AS expression,
    CASE a.attgenerated WHEN '' THEN '' WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END AS generated,
    CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' ELSE '' END AS identity,
    coalesce(a.attstattarget, -1)::text AS statistics
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE {IN_SCHEMA} AND c.relkind IN ('r', 'p', 'f') AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum
"""

CONSTRAINTS = f"""
SELECT quote_ident(k.conname) AS name, {_on_table("pg_constraint", "k")}, k.contype::text AS type,
    regexp_replace(pg_get_constraintdef(k.oid, true), ' NOT VALID$', '') AS definition,
    CASE WHEN pg_get_constraintdef(k.oid, true) LIKE '% NOT VALID' THEN 'NOT VALID' ELSE 'valid' END
        AS validity,
    CASE WHEN disabled.statements IS NULL THEN 'enabled' ELSE 'disabled' END AS enabled,
    coalesce(disabled.statements, '') AS enable
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
CROSS JOIN LATERAL (
    SELECT string_agg(
        format('ALTER TABLE %s ENABLE TRIGGER %I', tgrelid::regclass, tgname), ';' ORDER BY oid
    ) AS statements
    FROM pg_trigger
    WHERE tgconstraint = k.oid AND tgisinternal AND tgenabled IN ('D', 'R')
) AS disabled
WHERE {IN_SCHEMA} AND k.contype IN ('p', 'u', 'x', 'c', 'f')
ORDER BY position(k.contype::text in 'puxcf'), c.relname, k.conname
"""

INDEXES = f"""
SELECT quote_ident(i.relname) AS name, quote_ident(c.relname) AS parent,
    pg_get_userbyid(c.relowner)::text AS owner, {extension_of("pg_class", "i.oid")} AS extension,
    regexp_replace(pg_get_indexdef(i.oid, 0, true), ' WITH \\([^)]*\\)', '') AS definition,
    {_options("i")} AS options, pg_get_indexdef(i.oid, 0, true) AS create,
    CASE WHEN NOT x.indisready THEN 'not ready' WHEN NOT x.indisvalid THEN 'INVALID'
        ELSE 'valid' END AS validity,
    CASE WHEN EXISTS (
        SELECT FROM pg_constraint k WHERE k.conindid = i.oid AND k.contype IN ('p', 'u', 'x')
    ) THEN 'yes' ELSE '' END AS of_constraint
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
WHERE {IN_SCHEMA} AND c.relkind IN ('r', 'p', 'm')
"""

TRIGGERS = f"""
SELECT quote_ident(g.tgname) AS name, quote_ident(c.relname) AS parent,
    pg_get_userbyid(c.relowner)::text AS owner,
    coalesce({extension_of("pg_trigger", "g.oid")}, {extension_of("pg_proc", "g.tgfoid")})
        AS extension,
    pg_get_triggerdef(g.oid, true) AS definition, {ENABLED.format("g.tgenabled")}
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
WHERE {IN_SCHEMA} AND NOT g.tgisinternal
"""

RULES = f"""
SELECT quote_ident(r.rulename) AS name, {_on_table("pg_rewrite", "r")},
    rtrim(pg_get_ruledef(r.oid, true), ';') AS definition, {ENABLED.format("r.ev_enabled")}
FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE {IN_SCHEMA} AND r.rulename <> '_RETURN'
"""

POLICIES = f"""
SELECT quote_ident(p.polname) AS name, {_on_table("pg_policy", "p")},
    format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, c.oid::regclass,
        CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
            WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
        (SELECT string_agg(CASE role WHEN 0 THEN 'public' ELSE role::regrole::text END, ', '
            ORDER BY role) FROM unnest(p.polroles) AS role))
    || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid, true) || ')', '')
    || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid, true) || ')', '')
        AS definition
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid WHERE {IN_SCHEMA}
"""

STATISTICS = f"""
SELECT quote_ident(s.stxname) AS name, {_on_table("pg_statistic_ext", "s")},
    replace(pg_get_statisticsobjdef(s.oid),
        format('%s.%I', s.stxnamespace::regnamespace, s.stxname), quote_ident(s.stxname)
    ) AS definition
FROM pg_statistic_ext s JOIN pg_class c ON c.oid = s.stxrelid WHERE {IN_SCHEMA}
"""
