"""Environments that run on the host, many games a worker process, behind the suite's pure protocol.

    shared_buffers  memory that parent and workers share, laid out as named arrays
    channel         messages and file descriptors between parent and worker
    worker          what a worker process does; `games/` holds the families of games it can play
    pool, group     the parent's side: worker processes, and batches of games spread over them
    bridge          a group behind `reset` and `step` under jit, vmap, scan and grad
    vector          a group behind Gymnasium's vector interface, without JAX
    catalogue       names, options and factories for `envs.make`

Modules that workers import (`games`, `worker`, `seeds`, `channel`, `shared_buffers`) never import JAX.
"""
