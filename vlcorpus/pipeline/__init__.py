"""Pipeline: a list of stages becomes a plan, the plan is executed shard by shard, events tell what happened."""
