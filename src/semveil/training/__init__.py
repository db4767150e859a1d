# SPDX-License-Identifier: Apache-2.0
"""Training: one file per trained network or pair, and shared parts.

`joint`, `one_network`, `processes` and `pace` are shared. Imports everything below it; only `experiments` and
`cli` import it, except for `protector.find_or_train_pair`, which the link uses to train a missing pair.
"""
