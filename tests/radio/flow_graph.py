# SPDX-License-Identifier: Apache-2.0
"""Run by GNU Radio's own Python: file -> channel model (noise, carrier, clock, taps) -> file, headless.

    flow_graph.py IN.cf32 OUT.cf32 NOISE_VOLTAGE FREQUENCY EPSILON SEED TAP...

FREQUENCY is in cycles per sample, EPSILON the ratio of the clocks.
"""

import sys


def main() -> None:
    from gnuradio import blocks, channels, gr  # here, so that a Python without it can collect this file

    source, sink, noise, frequency, epsilon, seed, *taps = sys.argv[1:]
    graph = gr.top_block()
    model = channels.channel_model(
        float(noise), float(frequency), float(epsilon), [complex(t) for t in taps], int(seed)
    )
    reader = blocks.file_source(gr.sizeof_gr_complex, source, False)
    writer = blocks.file_sink(gr.sizeof_gr_complex, sink)
    graph.connect(reader, model, writer)
    graph.run()


if __name__ == "__main__":
    main()
