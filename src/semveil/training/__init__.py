# SPDX-License-Identifier: Apache-2.0
"""Training: one file for each thing that is trained, and what several trainings share.

`joint`, `one_network`, `processes` and `pace` are shared. Imports everything below it, and only `experiments`
and `cli` import it, apart from `protector.find_or_train`, by which the link gets a pair that is not there
yet.
"""
