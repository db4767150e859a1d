# SPDX-License-Identifier: Apache-2.0
"""Experiments: one package per paper and one module per result, discovered by name.

`kit` is shared by all: result descriptions (`kit.experiment`), the driver (`kit.reproduce`), caching
(`kit.keeping`), statistics, plots, tables, claims, photos. To add a result, add a module to its paper's
package that calls `kit.experiment.experiment`; there is no central list. `models` holds the measurements of
the model cards, `demo` the demo. A paper's package imports from the kit, not from another paper's.
"""
