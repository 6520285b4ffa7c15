"""What one of several replicas needs of the others while they compute an update together.

On several devices or machines an update is the same update: each replica has rows of the batch, and what is a mean over
the batch is the mean over the replicas of their means. Random numbers are drawn for the whole batch everywhere, and a
replica takes those of its rows, so that no picture's depend on how many replicas there are. Where one replica computes
alone, all functions here give back what they are given: nothing is added to the graph.

Gradients go through `mean`: that of a sum over replicas is a sum over replicas. So if each replica descends the mean
over its own rows, `mean` of the gradients is the gradient of the mean over the batch, also where statistics, scores or
slopes of other replicas' rows had a part in it.
"""

from utils import runtime

runtime.import_tensorflow()  # before anything else of the project can: it starts with less noise this way

import tensorflow as tf  # noqa: E402


def count() -> int:
    """How many replicas compute the update that is being computed."""
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context else 1


def mean(values):
    """The means over all replicas: of a tensor, or of each tensor of a list, in which None stays."""
    if count() == 1:
        return values
    there = [value for value in tf.nest.flatten(values) if value is not None]
    reduced = iter(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, there))
    return tf.nest.map_structure(lambda value: None if value is None else next(reduced), values)


def whole(shape):
    """The shape that something of this replica's rows has for the whole batch."""
    replicas = count()
    if replicas == 1:
        return shape
    shape = tf.convert_to_tensor(shape)
    if (known := tf.get_static_value(shape)) is not None:
        return [int(known[0]) * replicas, *map(int, known[1:])]
    return tf.concat([shape[:1] * replicas, shape[1:]], 0)


def own(x, batches: int = 1):
    """This replica's rows of something that there is for the whole batch.

    Args:
        x: (batches * B, ...).
        batches: how many batches lie in it one after the other; the replica has rows of each.
    """
    replicas = count()
    if replicas == 1:
        return x
    rows = x.shape[0] if x.shape[0] is not None else tf.shape(x)[0]
    each = rows // (batches * replicas)
    rest = [side if side is not None else tf.shape(x)[i] for i, side in enumerate(x.shape)][1:]
    replica = tf.distribute.get_replica_context().replica_id_in_sync_group
    taken = tf.gather(tf.reshape(x, [batches, replicas, each, *rest]), replica, axis=1)
    return tf.reshape(taken, [batches * each, *rest])
