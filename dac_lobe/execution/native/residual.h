// One residual unit, a few rows at a time: everything between reading them and
// writing the result stays in the cache.
//
//     x --snake--> s --inputs--> v --x U[p]--> m --outputs, bias, snake--> h
//     |                                                                    |
//     +------------------------------(+)<------------bias, 1x1-------------+
//
// A dilation d splits time into d interleaved sequences, each an ordinary 7-tap
// filter. Tile (i, r) computes the outputs r + d (4 i + 0 .. 3). The tiles of one
// i, a group, together make 4 d outputs in a row.
#pragma once

#include "parallel.h"
#include "products.h"
#include "winograd.h"

namespace lobe {

struct ResidualUnit {
  const float* rows;  // [outputs + 6 dilation, channels]
  float* out;         // [outputs, channels]
  long outputs;
  long channels;  // a multiple of 8
  long dilation;
  const float* rate;       // first Snake
  const float* inverse;
  const float* weights;    // [panel][point][channels][width]
  const float* bias;
  const float* inner_rate;  // second Snake
  const float* inner_inverse;
  const float* inner_weights;  // [panel][channels][width]
  const float* inner_bias;
};

// Rows of scratch are a little longer than their channels: at a stride of whole
// pages, the rows of a tile would all compete for the same places in the cache.
static inline long spaced(long channels) { return channels + 16; }

// Floats between what Snake computes and what it asks for: rows that another layer wrote
// come from the last cache, or from memory, and Snake alone does not wait long enough.
constexpr long kFetch = 1024;

// Apply Snake to `count` rows, a few at a time: in the order of memory, which is
// read for the first time here, and with each coefficient loaded once for all of them.
template <class V>
static void snake_rows(const float* from, long from_stride, float* to, long to_stride,
                       long count, long channels, const float* rate,
                       const float* inverse) {
  constexpr long kRows = 4;
  for (long t = 0; t < count; t += kRows) {
    const long rows = std::min(kRows, count - t);
    for (long c = 0; c < channels; c += kLanes<V>) {
      const V r = load<V>(rate + c), i = load<V>(inverse + c);
      for (long j = 0; j < rows; ++j) {
        const float* x = from + (t + j) * from_stride + c;
        __builtin_prefetch(x + kFetch);
        store(to + (t + j) * to_stride + c, snake(load<V>(x), r, i));
      }
    }
  }
}

// How the outputs are divided: blocks, which threads take, into passes, after each
// of which the scratch memory is used again.
struct Division {
  long block;   // outputs
  long groups;  // of tiles in a pass

  static Division of(const ResidualUnit& u, int threads) {
    // The weights are read once a pass. Few channels: 12 tiles, whose values then
    // lie in the first-level cache. More: as many as make reading the weights,
    // from further and further away, cheap beside the arithmetic.
    const long c = u.channels;
    const long tiles = c <= 64 ? 12 : c <= 128 ? 24 : c < 448 ? 48 : 96;
    const long groups = std::max(tiles / u.dilation, 1L);
    const long pass = kOutputs * u.dilation * groups;
    // Blocks are long, as neighbours both activate the 6 d rows between them.
    const long wanted = std::max(32 * 1024 / c / pass, 1L) * pass;
    const long blocks = (u.outputs + wanted - 1) / wanted;
    const long rounds = (blocks + threads - 1) / threads * threads;
    const long even = (u.outputs + rounds - 1) / rounds;
    const long unit = kOutputs * u.dilation;
    const long block = (even + unit - 1) / unit * unit;
    const long passes = (block + pass - 1) / pass;
    return {block, (block / unit + passes - 1) / passes};
  }
};

template <class V>
class ResidualBlock {
 public:
  ResidualBlock(const ResidualUnit& unit, long begin, long end, long groups)
      : u_(unit),
        c_(unit.channels),
        d_(unit.dilation),
        begin_(begin),
        length_(end - begin),
        tiles_(groups * unit.dilation),
        plane_(tiles_ * spaced(c_)),
        panels_(c_ <= 64 ? 1 : std::min(kGroup, panel_count(c_))) {
    const long rows = (length_ + pass() - 1) / pass() * pass() + 6 * d_;
    const long hidden = pass() * spaced(c_);
    snaked_ = scratch().take(rows * c_ + hidden + kPoints * plane_ +
                             panels_ * kPoints * points());
    hidden_ = snaked_ + rows * c_;
    inputs_ = hidden_ + hidden;
    products_ = inputs_ + kPoints * plane_;
  }

  void run() {
    for (long from = 0; from < length_; from += pass()) {
      activate(from + pass() + 6 * d_);
      transform(from);
      for (int panel = 0; panel < panel_count(c_); panel += panels_) {
        const int count = std::min(panels_, panel_count(c_) - panel);
        filter(panel, count);
        for (int j = 0; j < count; ++j) recover(from, panel + j, j);
      }
      finish(from, std::min(pass(), length_ - from));
    }
  }

 private:
  long pass() const { return kOutputs * tiles_; }
  // Products of one panel at one point.
  long points() const { return tiles_ * kPanel; }
  // First output of a tile.
  long first(long tile) const { return tile / d_ * kOutputs * d_ + tile % d_; }

  // First Snake, for the rows up to `end` that are not done yet; zeros after the
  // last row, for outputs that nobody will use.
  void activate(long end) {
    const long present = std::min(end, length_ + 6 * d_);
    if (active_ < present) {
      snake_rows<V>(u_.rows + (begin_ + active_) * c_, c_, snaked_ + active_ * c_, c_,
                    present - active_, c_, u_.rate, u_.inverse);
      active_ = present;
    }
    std::fill(snaked_ + present * c_, snaked_ + end * c_, 0.0f);
  }

  void transform(long from) {
    for (long i = 0; i < tiles_; ++i) {
      const float* rows = snaked_ + (from + first(i)) * c_;
      float* to = inputs_ + i * spaced(c_);
      for (long k = 0; k < c_; k += kLanes<V>) {
        transform_inputs<V>(rows + k, d_ * c_, to + k, plane_);
      }
    }
  }

  // Products at all points, of some panels of output channels.
  void filter(int panel, int count) {
    Panel panels[kGroup];
    for (int p = 0; p < kPoints; ++p) {
      for (int j = 0; j < count; ++j) {
        const int width = panel_width(c_, panel + j);
        const float* weights =
            u_.weights + (long{panel + j} * kPanel * kPoints + p * width) * c_;
        float* out = products_ + (j * kPoints + p) * points();
        panels[j] = {weights, width, out, kPanel, nullptr, nullptr, 0, nullptr};
      }
      multiply(inputs_ + p * plane_, spaced(c_), tiles_, c_, 0, panels, count, true,
               true);
    }
  }

  // Outputs of the filter, of one panel, through the second Snake.
  void recover(long from, int panel, int place) {
    const long column = long{panel} * kPanel;
    for (long k = 0; k < panel_width(c_, panel); k += kLanes<V>) {
      const V bias = load<V>(u_.bias + column + k);
      const V rate = load<V>(u_.inner_rate + column + k);
      const V inverse = load<V>(u_.inner_inverse + column + k);
      const float* products = products_ + place * kPoints * points() + k;
      for (long i = 0; i < tiles_; ++i) {
        V y[kOutputs];
        recover_outputs(products + i * kPanel, points(), y);
        float* to = hidden_ + first(i) * spaced(c_) + column + k;
        const float* later = u_.out + (begin_ + from + first(i)) * c_ + column + k;
        for (int q = 0; q < kOutputs; ++q) {
          __builtin_prefetch(later + q * d_ * c_, 1);
          store(to + q * d_ * spaced(c_), snake(y[q] + bias, rate, inverse));
        }
      }
    }
  }

  // The pointwise convolution, and the rows themselves added.
  void finish(long from, long count) {
    float* out = u_.out + (begin_ + from) * c_;
    const float* middle = u_.rows + (begin_ + from + 3 * d_) * c_;
    Panel panels[kGroup];
    for (int first = 0; first < panel_count(c_); first += kGroup) {
      const int group = std::min(kGroup, panel_count(c_) - first);
      for (int j = 0; j < group; ++j) {
        const long column = long{first + j} * kPanel;
        panels[j] = {u_.inner_weights + column * c_,
                     panel_width(c_, first + j),
                     out + column,
                     c_,
                     u_.inner_bias + column,
                     middle + column,
                     c_,
                     u_.inner_weights + (column + kGroup * kPanel) * c_};
      }
      multiply(hidden_, spaced(c_), count, c_, 0, panels, group, true, true);
    }
  }

  const ResidualUnit& u_;
  const long c_, d_, begin_, length_, tiles_, plane_;
  const int panels_;  // whose products are held at once
  float *snaked_, *hidden_, *inputs_, *products_;
  long active_ = 0;  // rows that the first Snake has done
};

static inline bool run_residual(const ResidualUnit& u, int threads) {
  const Division division = Division::of(u, threads);
  const long blocks = (u.outputs + division.block - 1) / division.block;
  return parallel(blocks, threads, [&](long i) {
    const long begin = i * division.block;
    const long end = std::min(begin + division.block, u.outputs);
    if (u.channels % kLanes<Wide> == 0) {
      ResidualBlock<Wide>(u, begin, end, division.groups).run();
    } else {
      ResidualBlock<Slim>(u, begin, end, division.groups).run();
    }
  });
}

}  // namespace lobe
