"""Polystore: rows in PostgreSQL, documents and prediction logs in MongoDB, one HTTP service.

Imports go down only; import-linter checks it:

    cli                       the ``polystore`` command, one module per command group
    main                      create_app(settings): lifespan, middleware, one list of routers
    health | overview         /livez /readyz /metrics; answers that need both stores
    relational | documents    features kept in PostgreSQL, features kept in MongoDB
    stores                    sql, mongo and embedded: how each is opened, handed out and guarded
    web                       the HTTP contract, the same for both stores
    auth                      who is calling: caller, scopes, tokens, passwords, rate limits
    core                      errors, deadlines, logging, metrics, signing
    settings                  the only reader of the environment and of .env

A request passes router → repository → tables or documents; schemas.py is what travels. Start
reading at relational/users/router.py, then documents/items/router.py.
"""
