// The steps of a network one after the other, over a signal of any length, or for one
// position of its output.
//
// dac_lobe/execution/flow.py draws what is kept between chunks, and why it is exact; this
// is the same without an interpreter between two steps, which for a small network takes
// as long as the steps, and which threads cannot share.
#pragma once

#include <cstring>
#include <vector>

#include "convolution.h"
#include "residual.h"
#include "strided.h"

namespace lobe {

enum Kind : long { kResidual = 0, kConvolution = 1, kStrided = 2 };

struct Step {
  long kind;
  const void* unit;  // ResidualUnit or Convolution, without rows and outputs
  long before;       // columns of its rows
  long after;        // and of what it makes
  long padding;      // rows of zeros at each end of the signal
  long crop;         // rows to drop at each end of what it makes
  long reach;        // rows that one output sees
  long stride;       // rows from one output to the next
  long rate;         // rows that it makes for one output

  long outputs(long rows) const { return rows < reach ? 0 : (rows - reach) / stride + 1; }
  // Rows that may have to be kept between two chunks.
  long room() const { return std::max(reach - 1, padding); }
};

// Samples as a tensor holds them: t of channel c lies at c * channel_step + t * step.
struct Samples {
  const float* first;
  long channels, channel_step, step;

  // Copy some from `position` on, channels side by side, into rows, and zeros into the
  // columns that are left.
  void copy(long position, long count, float* rows, long columns) const {
    if (columns > channels) std::fill(rows, rows + count * columns, 0.0f);
    for (long c = 0; c < channels; ++c) {
      const float* from = first + c * channel_step + position * step;
      for (long t = 0; t < count; ++t) rows[t * columns + c] = from[t * step];
    }
  }
};

// A signal, of which a call takes up a stretch, and all that it keeps from call to call.
struct Signal {
  Samples samples;
  long position, stop;  // the stretch
  bool ends;            // whether the signal ends with it
  float* kept;          // of each step, room() rows
  long* counts;         // of each step: rows kept, and whether it has made any
  float* out;           // row t of channel c: c * out_step + t
  long out_channels, out_step, written;
};

// One position of the output of a signal: what each step needs for it.
struct Needed {
  long first, stop;    // rows of the step's input
  long before, after;  // and of zeros beside them
};

struct Place {
  Samples samples;
  const Needed* needed;  // of each step, and the position itself
  float* out;            // [columns after the last step]
};

static inline bool run_step(const Step& s, const float* rows, float* out, long outputs,
                            int threads) {
  if (s.kind == kResidual) {
    ResidualUnit unit = *static_cast<const ResidualUnit*>(s.unit);
    unit.rows = rows, unit.out = out, unit.outputs = outputs;
    return run_residual(unit, threads);
  }
  Convolution unit = *static_cast<const Convolution*>(s.unit);
  unit.rows = rows, unit.out = out, unit.outputs = outputs;
  return s.kind == kStrided ? run_strided(unit, threads) : run_convolution(unit, threads);
}

// Two buffers that the steps write to in turn.
class Turns {
 public:
  float* take(long rows, long columns) {
    turn_ = 1 - turn_;
    return buffers_[turn_].take(rows * columns);
  }

 private:
  Scratch buffers_[2];
  int turn_ = 0;
};

// The stretch of a signal, chunk by chunk.
static bool run_signal(const Step* steps, long count, Signal& s, long chunk,
                       int threads) {
  Turns turns;
  std::vector<float*> kept(count);
  float* room = s.kept;
  for (long i = 0; i < count; room += steps[i].room() * steps[i].before, ++i) kept[i] = room;
  for (; s.position < s.stop; s.position += chunk) {
    const long piece = std::min(chunk, s.stop - s.position);
    const bool last = s.ends && s.position + piece == s.stop;
    const long width = steps[0].before, old = s.counts[0];
    long present = old + piece + (last ? steps[0].padding : 0);
    float* rows = turns.take(present, width);
    std::memcpy(rows, kept[0], old * width * sizeof(float));
    s.samples.copy(s.position, piece, rows + old * width, width);
    std::fill(rows + (old + piece) * width, rows + present * width, 0.0f);
    for (long i = 0; i < count; ++i) {
      const Step& step = steps[i];
      const Step* next = i + 1 < count ? &step + 1 : nullptr;
      const long outputs = step.outputs(present), made = outputs * step.rate;
      long &keeps = s.counts[2 * i], &begun = s.counts[2 * i + 1];
      const long head = made && !begun ? step.crop : 0;
      const long tail = made && last ? step.crop : 0;
      const long ahead = next ? s.counts[2 * i + 2] : 0;
      const long padding = next && last ? next->padding : 0;
      const long end = ahead + made - tail;
      float* out = turns.take(end + std::max(tail, padding), step.after);
      if (outputs > 0) {
        if (!run_step(step, rows, out + ahead * step.after, outputs, threads)) return false;
        begun = 1;
      }
      keeps = present - outputs * step.stride;
      std::memcpy(kept[i], rows + outputs * step.stride * step.before,
                  keeps * step.before * sizeof(float));
      if (next) {
        // Over the rows to drop at the head, if there are any.
        std::memcpy(out + head * step.after, kept[i + 1],
                    ahead * step.after * sizeof(float));
      }
      std::fill(out + end * step.after, out + (end + padding) * step.after, 0.0f);
      rows = out + head * step.after;
      present = end + padding - head;
    }
    const long columns = steps[count - 1].after;
    for (long c = 0; c < s.out_channels; ++c) {
      float* to = s.out + c * s.out_step + s.written;
      for (long t = 0; t < present; ++t) to[t] = rows[t * columns + c];
    }
    s.written += present;
  }
  return true;
}

static inline bool run_signals(const Step* steps, long count, Signal* signals, long number,
                               long chunk, int threads) {
  bool fine = false;
  with_team(threads, [&] {
    fine = spread(number, threads, [&](long i) {
      return run_signal(steps, count, signals[i], chunk, threads);
    });
  });
  return fine;
}

// Each step for all places before the next one, so that its weights are read once.
static inline bool run_all_places(const Step* steps, long count, const Place* places,
                              long number, int threads) {
  std::vector<Turns> turns(number);
  std::vector<float*> rows(number);
  const auto take = [&](long i, const Needed& needed, long columns) {
    const long inner = needed.stop - needed.first;
    float* all = turns[i].take(needed.before + inner + needed.after, columns);
    std::fill(all, all + needed.before * columns, 0.0f);
    std::fill(all + (needed.before + inner) * columns,
              all + (needed.before + inner + needed.after) * columns, 0.0f);
    return all;
  };
  bool fine = spread(number, threads, [&](long i) {
    const Place& place = places[i];
    const Needed& needed = place.needed[0];
    const long columns = steps[0].before;
    rows[i] = take(i, needed, columns);
    place.samples.copy(needed.first, needed.stop - needed.first,
                       rows[i] + needed.before * columns, columns);
    return true;
  });
  for (long n = 0; fine && n < count; ++n) {
    fine = spread(number, threads, [&](long i) {
      const Needed& wanted = places[i].needed[n + 1];
      const float* from = rows[i];
      rows[i] = take(i, wanted, steps[n].after);
      return run_step(steps[n], from, rows[i] + wanted.before * steps[n].after,
                      wanted.stop - wanted.first, threads);
    });
  }
  for (long i = 0; fine && i < number; ++i) {
    std::memcpy(places[i].out, rows[i], steps[count - 1].after * sizeof(float));
  }
  return fine;
}

static inline bool run_places(const Step* steps, long count, const Place* places,
                              long number, int threads) {
  bool fine = false;
  with_team(threads, [&] { fine = run_all_places(steps, count, places, number, threads); });
  return fine;
}

}  // namespace lobe
