"""Polystore: rows in PostgreSQL, documents and prediction logs in MongoDB, one HTTP service.

The house, from the top (imports go down only; import-linter holds it):

    cli serve administrator main health    the command line, the front door, the probes
    gate                                   who is calling, asked before anything else
    logins | posts | orders | accounts     features, strangers to one another
        | projects | items | predictions
    api_keys users tags audit retention    features that others may name
    sql_route sql_rows sql_bulk            one request, and the usual verbs, on PostgreSQL
        idempotency
    mongo_route mongo_documents            the same on MongoDB
    sql  mongo  embedded                   the stores: open, hand out, base; engines of our own
    sql_errors  mongo_errors               what the stores say, as refusals
    route plain answers bulk paging …      HTTP, the same for both stores
    access                                 the caller, scopes, passwords, tokens; no store
    wire errors settings seal turns …      words everybody uses

The rooms of a feature, in the order a request passes them: router → repository → tables or
documents; schemas is what travels. Start reading at users/router.py, then items/router.py.
"""
