"""The parts that all runbooks share: context, session, shared steps, acceptance test, orphans and result."""
