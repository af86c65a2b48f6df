"""Where and when shards are made: local processes, torchrun ranks, Ray Data.

An engine is a function ``run(job, shards, workers)`` that yields a `ShardResult`
for each shard, in any order.

Authors
 * The dac-lobe developers 2026
"""
