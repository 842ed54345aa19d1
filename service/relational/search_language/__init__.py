"""The search language: filters and orders of experiments, runs and models, as MLflow has them.

It knows no feature. A feature declares the names that its search knows::

    NAMES = Searchable(
        entities={
            "attributes": {
                "name": Attribute(Experiment.name, sets=True),
                "creation_time": Attribute(Experiment.created_at, "time"),
            },
            "tags": Keyed(
                lambda: aliased(ExperimentTag),
                on=lambda tag: tag.experiment_id == Experiment.id,
                parent=Experiment,
            ),
        },
        synonyms={"attribute": "attributes", "tag": "tags"},
    )

and then finds a page of ``limit`` rows, one more of which shows that there are more::

    where = condition(parse_filter(text), NAMES)
    ties = [(Experiment.created_at, True), (Experiment.id, False)]
    order = Ordering.of(parse_order(order_by), NAMES, ties)
    tokens = PageTokens(signer, "experiments", text, order_by)
    statement = order.apply(select(Experiment, *order.columns()).where(where).limit(limit + 1))
    if (end := tokens.read(page_token)) is not None:
        statement = statement.where(order.after(end))
    rows = (await session.execute(statement)).all()
    next_token = tokens.write(order.values(rows[limit - 1])) if len(rows) > limit else None

Filters may have OR and parentheses, beyond MLflow's. ``clauses(tree)`` yields the names in use.
"""
