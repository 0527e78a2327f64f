"""Adam as one TensorFlow operation for each weight."""

import keras

from drcls.train.devices import num_devices


def fuse_adam(optimizer):
    """Let Adam or AdamW update each weight by one operation of TensorFlow, in place of Keras' two dozen.

    The equations are the same (Kingma and Ba, 2015, the efficient order at the end of section 2), so that the
    weights are, but for rounding. What is gained is the time before the first step: a large part of the nodes of a
    large network's training graph is the update, and TensorFlow traces and optimises every node.

    Nothing changes on other backends, on several devices, for AMSGrad and for other optimizers.

    Args:
        optimizer: keras.Optimizer, built or not; changed in place.
    """
    if keras.backend.backend() != "tensorflow" or num_devices() > 1 or "update_step" in vars(optimizer):
        return
    if type(optimizer) not in (keras.optimizers.Adam, keras.optimizers.AdamW) or optimizer.amsgrad:
        return
    import tensorflow as tf

    plain_apply, plain_step, shared = optimizer.apply, optimizer.update_step, {}

    def apply(grads, trainable_variables=None):
        """Compute what all weights share once for them all."""
        step = keras.ops.cast(optimizer.iterations + 1, "float32")
        beta1, beta2, epsilon = map(tf.constant, (optimizer.beta_1, optimizer.beta_2, optimizer.epsilon))
        shared.update(beta1=beta1, beta2=beta2, epsilon=epsilon)
        shared.update(beta1_power=beta1**step, beta2_power=beta2**step)
        return plain_apply(grads, trainable_variables)

    def update_step(gradient, variable, learning_rate):
        if isinstance(gradient, tf.IndexedSlices) or variable.dtype != tf.float32:
            return plain_step(gradient, variable, learning_rate)
        index = optimizer._get_variable_index(variable)
        first, second = optimizer._momentums[index].value, optimizer._velocities[index].value
        return tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=first.handle,
            v=second.handle,
            lr=tf.cast(learning_rate, tf.float32),
            grad=tf.cast(gradient, tf.float32),
            **shared,
        )

    optimizer.apply, optimizer.update_step = apply, update_step
