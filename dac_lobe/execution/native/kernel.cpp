// The native kernel: what dac_lobe/execution/native/library.py loads through ctypes.
//
// Plain C functions on plain memory. Nothing of Python, numpy or torch is
// included or linked, so one build serves every version of them. Compiled once
// per instruction set; the caller loads the build that the processor can run.

#include "convolution.h"
#include "flow.h"
#include "residual.h"
#include "search.h"
#include "strided.h"

#if defined(_WIN32)
#define DAC_LOBE_EXPORT extern "C" __declspec(dllexport)
#else
#define DAC_LOBE_EXPORT extern "C" __attribute__((visibility("default")))
#endif

// Changes whenever a structure or the packing of weights does.
constexpr int kInterface = 5;

DAC_LOBE_EXPORT int dac_lobe_interface() { return kInterface; }

DAC_LOBE_EXPORT const char* dac_lobe_isa() { return lobe::kIsa; }

// All return 0, or 1 if memory ran out.
DAC_LOBE_EXPORT int dac_lobe_residual(const lobe::ResidualUnit* unit, int threads) {
  return lobe::run_residual(*unit, threads) ? 0 : 1;
}

DAC_LOBE_EXPORT int dac_lobe_convolution(const lobe::Convolution* convolution,
                                         int threads) {
  return lobe::run_convolution(*convolution, threads) ? 0 : 1;
}

// The same for a kernel of twice the stride; weights are [panel][point][depth][width]
// with depth = stride * inputs. There must be a Snake, and no tanh.
DAC_LOBE_EXPORT int dac_lobe_strided(const lobe::Convolution* convolution,
                                     int threads) {
  return lobe::run_strided(*convolution, threads) ? 0 : 1;
}

DAC_LOBE_EXPORT int dac_lobe_signals(const lobe::Step* steps, long count,
                                     lobe::Signal* signals, long number, long chunk,
                                     int threads) {
  return lobe::run_signals(steps, count, signals, number, chunk, threads) ? 0 : 1;
}

DAC_LOBE_EXPORT int dac_lobe_places(const lobe::Step* steps, long count,
                                    const lobe::Place* places, long number, int threads) {
  return lobe::run_places(steps, count, places, number, threads) ? 0 : 1;
}

DAC_LOBE_EXPORT int dac_lobe_search(const lobe::Search* search, int threads) {
  return lobe::run_search(*search, threads) ? 0 : 1;
}

// Multiply-adds per second and thread are what nothing here can exceed: this runs
// `count` vectors of them, independent and in registers, on each thread. Returns how
// many operations that were on one thread; benchmarks/limits.py takes the time.
DAC_LOBE_EXPORT double dac_lobe_multiply_adds(long count, int threads) {
  using lobe::Wide;
  constexpr int kChains = 12;
  std::atomic<float> sink{0.0f};
  lobe::parallel(threads, threads, [&](long) {
    Wide sums[kChains];
    LOBE_UNROLL for (int i = 0; i < kChains; ++i) sums[i] = Wide{} + float(i);
    Wide factor = Wide{} + 0.999f, term = Wide{} + 0.001f;
    for (long n = 0; n < count; n += kChains) {
      // The compiler must not know the factors, or it would compute the end.
      asm volatile("" : "+m"(factor), "+m"(term));
      for (int repeat = 0; repeat < 16; ++repeat) {
        LOBE_UNROLL for (int i = 0; i < kChains; ++i) sums[i] = sums[i] * factor + term;
      }
    }
    Wide total{};
    LOBE_UNROLL for (int i = 0; i < kChains; ++i) total += sums[i];
    sink = sink + lobe::sum(total);
  });
  const long rounds = (count + kChains - 1) / kChains;
  return 2.0 * rounds * kChains * 16 * lobe::kLanes<Wide> + 0.0 * sink;
}
