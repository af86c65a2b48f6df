// The native kernel: what dac_lobe/fast/native.py calls through ctypes.
//
// Plain C functions on plain memory. Nothing of Python, numpy or torch is
// included or linked, so one build serves every version of them. Compiled once
// per instruction set; the caller loads the build that the processor can run.

#include "convolution.h"
#include "residual.h"
#include "strided.h"

#define DAC_LOBE_EXPORT extern "C" __attribute__((visibility("default")))

// Changes whenever a structure or the packing of weights does.
constexpr int kInterface = 2;

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
