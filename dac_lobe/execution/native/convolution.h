// Snake and a convolution over one block of rows, as products with packed weights.
//
// Rows are channels side by side, so the inputs of an output are `taps` rows one
// after the other, from row `stride` times its number on. A transposed
// convolution of kernel 2 s is a convolution of 2 taps whose rows hold s
// positions; see dac_lobe/execution/native/packing.py.
#pragma once

#include <cmath>

#include "parallel.h"
#include "products.h"
#include "residual.h"

namespace lobe {

struct Convolution {
  const float* rows;  // [(outputs - 1) stride + taps, inputs]
  float* out;         // [outputs, columns]
  long outputs;
  long inputs;   // channels; any number if there is no Snake, else a multiple of 8
  long columns;  // channels after; a multiple of 8, or 1
  long taps;
  long stride;
  const float* rate;  // Snake; null if there is none
  const float* inverse;
  const float* weights;  // [panel][tap][inputs][width]; for one column [tap][inputs]
  const float* bias;
  bool tanh;
};

// Floats of input that a block may hold, but for this many rows, in which the weights
// are read once.
constexpr long kConvolutionFloats = 128 * 1024;
constexpr long kConvolutionRows = 192;

// What one thread computes at a time: some outputs, of some panels of channels.
struct Part {
  long begin, end;
  int first, last;
};

// Divide a convolution into blocks of about `rows` outputs, a multiple of `unit`. Where
// that gives fewer blocks than there are threads, these share the channels instead, so
// that none has to read all of the weights.
template <class Task>
static bool run_parts(const Convolution& c, int threads, long rows, long unit,
                      const Task& task) {
  if (c.outputs == 0) return true;
  const int all = panel_count(c.columns);
  long blocks = (c.outputs + rows - 1) / rows;
  const bool by_channels = blocks < threads && all >= threads * kGroup;
  if (!by_channels) blocks = (blocks + threads - 1) / threads * threads;
  rows = (c.outputs + blocks - 1) / blocks;
  rows = (rows + unit - 1) / unit * unit;
  blocks = (c.outputs + rows - 1) / rows;
  const long shares = by_channels ? threads : 1;
  return parallel(blocks * shares, threads, [&](long i) {
    const long begin = i / shares * rows, share = i % shares;
    task(Part{begin, std::min(begin + rows, c.outputs),
              static_cast<int>(all * share / shares),
              static_cast<int>(all * (share + 1) / shares)});
  });
}

// One output channel: dot products along the rows, four outputs at a time.
template <class V>
static void dot_products(const float* rows, long step, long length, long outputs,
                         const float* weights, float bias, float* out) {
  long t = 0;
  for (; t + 4 <= outputs; t += 4) {
    V sums[4] = {};
    for (long k = 0; k < length; k += kLanes<V>) {
      const V w = load<V>(weights + k);
      for (int i = 0; i < 4; ++i) sums[i] += w * load<V>(rows + (t + i) * step + k);
    }
    for (int i = 0; i < 4; ++i) out[t + i] = bias + sum(sums[i]);
  }
  for (; t < outputs; ++t) {
    V total{};
    for (long k = 0; k < length; k += kLanes<V>) {
      total += load<V>(weights + k) * load<V>(rows + t * step + k);
    }
    out[t] = bias + sum(total);
  }
}

template <class V>
static void convolution_block(const Convolution& c, const Part& part) {
  const long begin = part.begin, length = part.end - begin;
  const long present = (length - 1) * c.stride + c.taps;
  const float* rows = c.rows + begin * c.stride * c.inputs;
  long row_stride = c.inputs;
  if (c.rate != nullptr) {
    if (c.columns != 1) row_stride = spaced(c.inputs);
    float* snaked = scratch().take(present * row_stride);
    snake_rows<V>(rows, c.inputs, snaked, row_stride, present, c.inputs, c.rate,
                  c.inverse);
    rows = snaked;
  }
  float* out = c.out + begin * c.columns;
  if (c.columns == 1) {
    dot_products<V>(rows, c.stride * c.inputs, c.taps * c.inputs, length, c.weights,
                    c.bias[0], out);
  } else {
    for (int from = part.first; from < part.last; from += kGroup) {
      const int count = std::min(kGroup, part.last - from);
      Panel panels[kGroup];
      for (int j = 0; j < count; ++j) {
        const long column = long{from + j} * kPanel;
        panels[j] = {c.weights + column * c.taps * c.inputs,
                     panel_width(c.columns, from + j),
                     out + column,
                     c.columns,
                     c.bias + column,
                     nullptr,
                     0,
                     nullptr};
      }
      for (long tap = 0; tap < c.taps; ++tap) {
        multiply(rows + tap * row_stride, c.stride * row_stride, length, c.inputs,
                 tap * c.inputs, panels, count, tap == 0, tap == c.taps - 1);
      }
    }
  }
  if (c.tanh) {
    const long column = long{part.first} * kPanel;
    const long end = std::min(long{part.last} * kPanel, c.columns);
    for (long i = 0; i < length; ++i) {
      for (long k = column; k < end; ++k) {
        out[i * c.columns + k] = std::tanh(out[i * c.columns + k]);
      }
    }
  }
}

static inline bool run_convolution(const Convolution& c, int threads) {
  long rows = kConvolutionFloats / (c.stride * spaced(c.inputs));
  rows = std::max(rows, kConvolutionRows) / kTall * kTall;
  return run_parts(c, threads, rows, 1, [&](const Part& part) {
    if (c.inputs % kLanes<Wide> == 0) {
      convolution_block<Wide>(c, part);
    } else {
      convolution_block<Slim>(c, part);
    }
  });
}

}  // namespace lobe
