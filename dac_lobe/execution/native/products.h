// Matrix products of a block of rows with packed weights.
//
// Weights are packed in panels: up to 32 columns side by side, so that one pass
// over a panel reads memory in order. A tile of kTall rows and one panel is kept
// in registers; each value of a row is multiplied into the whole panel width.
//
//        panel 0 (32)  panel 1 (32)  last (8, 16 or 24)
//      k |............|............|......|
//        |............|............|......|
#pragma once

#include <algorithm>
#include <utility>

#include "vectors.h"

namespace lobe {

constexpr int kPanel = 32;
// Rows of weights used between two visits of a tile: 384 x 32 floats lie in the
// second-level cache, and so does the block of rows they meet.
constexpr long kDepth = 384;
// Rows of weights from which on they are fetched ahead: there they are so many that they
// come from the last cache, or from memory, each time.
constexpr long kFar = 384;
// Panels that share one visit of a tile's rows.
constexpr int kGroup = 4;

#if defined(__AVX512F__)
constexpr int kTall = 12;
#elif defined(__aarch64__)
constexpr int kTall = 8;
#else
constexpr int kTall = 6;
#endif

// Sums stay in registers only if every loop over them is unrolled.
#define LOBE_UNROLL _Pragma("GCC unroll 16")

// One panel of weights and where its products go.
struct Panel {
  const float* weights;
  int width;
  float* out;
  long out_stride;
  const float* bias;  // added once; may be null
  const float* add;   // rows added once at the end; may be null
  long add_stride;
  const float* next;  // weights that follow, if they do not lie behind these
};

static inline int panel_count(long columns) {
  return static_cast<int>((columns + kPanel - 1) / kPanel);
}

static inline int panel_width(long columns, int index) {
  return static_cast<int>(std::min<long>(kPanel, columns - long{index} * kPanel));
}

// `ahead`, if kAhead, is memory that will be read soon: each step asks for a bit of it.
template <class V, int kVectors, bool kAhead, int kRows>
static void tile(const float* a, long a_stride, const float* b, long b_stride,
                 long depth, const Panel& panel, int column, long row, bool first,
                 bool last, const float* ahead, long ahead_step) {
  constexpr int kW = kLanes<V>;
  V sums[kRows][kVectors];
  LOBE_UNROLL for (int i = 0; i < kRows; ++i) {
    LOBE_UNROLL for (int v = 0; v < kVectors; ++v) sums[i][v] = V{};
  }
  for (long k = 0; k < depth; ++k) {
    if (kAhead) __builtin_prefetch(ahead + k * ahead_step, 0, 2);
    V weights[kVectors];
    LOBE_UNROLL for (int v = 0; v < kVectors; ++v) weights[v] = load<V>(b + k * b_stride + v * kW);
    LOBE_UNROLL for (int i = 0; i < kRows; ++i) {
      const float value = a[i * a_stride + k];
      LOBE_UNROLL for (int v = 0; v < kVectors; ++v) sums[i][v] += value * weights[v];
    }
  }
  // Whatever else belongs to the sums comes last: loaded first, it would leave
  // the compiler short of registers in the loop above.
  const long out_stride = panel.out_stride;
  float* out = panel.out + row * out_stride + column;
  const auto add_rows = [&](const float* from, long stride) {
    LOBE_UNROLL for (int i = 0; i < kRows; ++i) {
      LOBE_UNROLL for (int v = 0; v < kVectors; ++v) {
        sums[i][v] += load<V>(from + i * stride + v * kW);
      }
    }
  };
  if (!first) add_rows(out, out_stride);
  if (first && panel.bias != nullptr) add_rows(panel.bias + column, 0);
  if (last && panel.add != nullptr) {
    add_rows(panel.add + row * panel.add_stride + column, panel.add_stride);
  }
  LOBE_UNROLL for (int i = 0; i < kRows; ++i) {
    LOBE_UNROLL for (int v = 0; v < kVectors; ++v) {
      store(out + i * out_stride + v * kW, sums[i][v]);
    }
  }
}

typedef void (*Tile)(const float*, long, const float*, long, long, const Panel&, int,
                     long, bool, bool, const float*, long);

template <class V, int kVectors, bool kAhead, int... kRows>
static inline Tile pick(int rows, std::integer_sequence<int, kRows...>) {
  static constexpr Tile tiles[] = {tile<V, kVectors, kAhead, kRows + 1>...};
  return tiles[rows - 1];
}

template <class V, int kVectors, bool kAhead = false>
static inline Tile pick(int rows) {
  return pick<V, kVectors, kAhead>(rows, std::make_integer_sequence<int, kTall>());
}

// Multiply `rows` rows of one tile by a panel of any width.
static inline void tile_row(const float* a, long a_stride, int rows, long row,
                            const Panel& panel, long offset, long depth, bool first,
                            bool last, const float* ahead, long ahead_step) {
  const float* b = panel.weights + offset * panel.width;
  const int width = panel.width;
  int column = 0;
  const auto run = [&](Tile tile, int columns) {
    tile(a, a_stride, b + column, width, depth, panel, column, row, first, last, ahead,
         ahead_step);
    column += columns;
  };
  constexpr int kW = kLanes<Wide>;
  while (width - column >= 2 * kW) {
    run(ahead ? pick<Wide, 2, true>(rows) : pick<Wide, 2>(rows), 2 * kW);
  }
#if defined(__AVX512F__)
  if (width - column == 24) return run(pick<Slim, 3>(rows), 24);
#endif
  if (width - column >= kW) run(pick<Wide, 1>(rows), kW);
  if (width - column >= kLanes<Slim>) run(pick<Slim, 1>(rows), kLanes<Slim>);
}

// out += rows * weights, for the weights from row `offset` on.
//
// `first` and `last` say whether this is the first and the last part of the sum:
// before the first part sums start from the bias, after the last one `add` is
// added.
static inline void multiply(const float* a, long a_stride, long rows, long depth,
                            long offset, const Panel* panels, int count, bool first,
                            bool last) {
  const long tiles = (rows + kTall - 1) / kTall;
  for (long from = 0; from < depth; from += kDepth) {
    const long part = std::min(kDepth, depth - from);
    const bool begins = first && from == 0;
    const bool ends = last && from + part == depth;
    for (long i = 0; i < tiles; ++i) {
      // Tiles of nearly equal height: a short last one would read the weights
      // for little work.
      const long row = rows * i / tiles;
      const int height = static_cast<int>(rows * (i + 1) / tiles - row);
      const float* values = a + row * a_stride + from;
      for (int j = 0; j < count; ++j) {
        const Panel& panel = panels[j];
        const float* ahead = nullptr;
        if (depth >= kFar) {
          const bool jumps = from + part == depth && panel.next != nullptr;
          ahead = jumps ? panel.next
                        : panel.weights + (offset + from + part) * panel.width;
          ahead += i * part * panel.width / tiles;
        }
        tile_row(values, a_stride, height, row, panel, offset + from, part, begins,
                 ends, ahead, panel.width / tiles);
      }
    }
  }
}

}  // namespace lobe
