# SPDX-License-Identifier: Apache-2.0
"""Results of the papers, a folder for each paper and a file for each result, found by name.

`kit` has what they share: the description of a result (`kit.experiment`), the one driver (`kit.reproduce`), what is kept
(`kit.keeping`), statistics, plots, tables, claims, photos. A result is added by one file in its paper's folder that calls
`kit.experiment.experiment`; nothing else lists it. `models` has the model cards' figures,
`demo` the first look. A paper's folder imports from the kit, not from another paper's.
"""
